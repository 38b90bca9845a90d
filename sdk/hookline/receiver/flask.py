"""A receiver in a Flask application."""

from collections.abc import Callable

from flask import Response, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from hookline.receiver.answer import TOO_LARGE
from hookline.receiver.bridge import bridge
from hookline.receiver.receiver import Receiver
from hookline.receiver.wsgi import url_of


def webhook_view(receiver: Receiver) -> Callable[[], Response]:
    """A view: `app.add_url_rule("/webhooks", view_func=webhook_view(receiver), methods=["POST"])`.

    Handlers run in threads of the receiver's, outside the application's context.
    """

    def webhooks() -> Response:
        try:
            if (request.content_length or 0) > receiver.max_body:
                raise RequestEntityTooLarge
            # What something before has read already stands in the cache of get_data; a stream is read here alone.
            body = request.get_data() if request.content_length is not None else request.stream.read(receiver.max_body + 1)
        except RequestEntityTooLarge:
            answer = TOO_LARGE
        except ClientDisconnected:
            return Response(status=400)
        else:
            answer = bridge.answer(receiver, method=request.method, url=url_of(request.environ), headers=request.headers, body=body)
        made = Response(answer.body, status=answer.status, headers=list(answer.headers))
        if "Content-Type" not in dict(answer.headers):
            del made.headers["Content-Type"]
        return made

    return webhooks
