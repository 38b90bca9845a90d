"""A receiver in a Django project."""

from collections.abc import Callable
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from hookline.receiver import asgi, wsgi
from hookline.receiver.answer import TOO_LARGE
from hookline.receiver.bridge import bridge
from hookline.receiver.receiver import Receiver


def webhook_view(receiver: Receiver) -> Callable[[HttpRequest], HttpResponse]:
    """A view that is exempt from CSRF protection, whose place signatures take.

    In the URLs: `path("webhooks", webhook_view(receiver))`.

    Handlers run in threads of the receiver's, with database connections of their own; those that take the
    transaction of `DjangoTransactions` have Django's connections looked after.
    """

    def webhooks(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length[:20]) > receiver.max_body:
            answer = TOO_LARGE
        else:
            try:
                body = request.read(receiver.max_body + 1)
            except UnreadablePostError:
                return HttpResponse(status=400)
            url, headers = _called(request)
            answer = bridge.answer(receiver, method=request.method or "", url=url, headers=headers, body=body)
        made = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
        if "Content-Type" not in dict(answer.headers):
            del made.headers["Content-Type"]
        return made

    # What Django's decorator csrf_exempt does; of this one, mypy knows the types.
    view: Any = webhooks
    view.csrf_exempt = True
    return webhooks


def _called(request: HttpRequest) -> tuple[str, Any]:
    """The URL that was called, and the headers: as the server told them, not as Django has written them anew."""
    if isinstance(request, ASGIRequest):
        # Otherwise repeated headers were joined.
        return asgi.url_of(request.scope), request.scope["headers"]
    return wsgi.url_of({"wsgi.url_scheme": request.scheme, **request.META}, "utf-8"), request.headers
