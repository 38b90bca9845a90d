"""FastAPI and hubspot-api-client."""

import json
import os

import ledger
from fastapi import FastAPI, Request, Response
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature

app = FastAPI()


@app.post("/hooks")
async def hooks(request: Request) -> Response:
    body = await request.body()
    try:
        genuine = Signature.is_valid(
            signature=request.headers.get("X-HubSpot-Signature-v3", ""),
            client_secret=os.environ["SECRET"],
            request_body=body.decode(),
            http_uri=str(request.url),
            http_method=request.method,
            signature_version="v3",
            timestamp=request.headers.get("X-HubSpot-Request-Timestamp"),
        )
        events = json.loads(body) if genuine else []
        for event in events:
            ledger.take(str(event["eventId"]))
    except (InvalidSignatureTimestampError, ValueError, TypeError, KeyError, RecursionError):
        return Response(status_code=400)
    return Response(status_code=204 if genuine else 401)


@app.get("/effects")
def effects() -> dict[str, object]:
    return ledger.report()
