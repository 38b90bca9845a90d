"""Django, over ASGI, and slack-sdk."""

import json
import os

import django
import ledger
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from slack_sdk.signature import SignatureVerifier

verifier = SignatureVerifier(os.environ["SECRET"])


@csrf_exempt
@require_POST
def hooks(request: HttpRequest) -> HttpResponse:
    try:
        genuine = verifier.is_valid_request(request.body, dict(request.headers))
    except (ValueError, TypeError):
        genuine = False
    if not genuine:
        return HttpResponse(status=401)
    try:
        event = json.loads(request.body)
        ledger.take(event["event_id"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return HttpResponse(status=400)
    return HttpResponse(status=200)


def effects(request: HttpRequest) -> HttpResponse:
    return JsonResponse(ledger.report())


urlpatterns = [path("hooks", hooks), path("effects", effects)]
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=4 * 1024 * 1024,
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    SECRET_KEY="for this test",
)
django.setup()
app = get_asgi_application()
