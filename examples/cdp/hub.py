"""Three platforms in, one normalised and signed stream out.

Each platform has a path, and whatever it signs is an event of hookline's: its type behind the platform's name
(`stripe.invoice.paid`), its id the idempotency key, so that what comes twice is one event.
"""

import hookline
from hookline.receiver import Receiver, Verifier, WebhookApp, forward_to


def hub(client: hookline.Client, secrets: dict[str, str]) -> WebhookApp:
    """The ASGI application: `/stripe`, `/github` and so on, a path for each platform that there is a secret of."""
    receivers = {}
    for platform, secret in secrets.items():
        receivers[f"/{platform}"] = receiver = Receiver(Verifier(platform, secret))
        receiver.default(forward_to(client))
    return WebhookApp(receivers)
