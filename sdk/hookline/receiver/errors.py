"""What receiving raises beside the errors of the house.

HooklineError
├── InvalidSignature    not from who it says, or stale (hookline.signing)
├── MalformedEvent      signed, and not what the platform sends: handling it again will not help
└── StillHandled        the same event is being handled at this moment
"""

from hookline.errors import HooklineError


class MalformedEvent(HooklineError):
    """The request is not what its platform sends, or its data is not what the handler asks for."""

    reason = "MALFORMED_EVENT"


class BodyTooLarge(HooklineError):
    """The body has more bytes than are taken."""

    reason = "BODY_TOO_LARGE"


class StillHandled(HooklineError):
    """The same event is being handled elsewhere at this moment; what will come of it is not known yet."""

    reason = "STILL_HANDLED"
