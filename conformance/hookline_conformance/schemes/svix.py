"""Svix: Standard Webhooks under the names svix-id, svix-timestamp and svix-signature.

https://docs.svix.com/receiving/verifying-payloads/how-manual
"""

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Message
from hookline_conformance.schemes.standard import Standard


class Svix(Standard):
    """The scheme `svix`; it reads the standard names too, as Svix' own libraries do."""

    name = "svix"
    signature_header = "svix-signature"
    id_header = "svix-id"
    timestamp_header = "svix-timestamp"

    @override
    def read(self, message: Message) -> Claim:
        if not message.values(self.signature_header) and message.values(Standard.signature_header):
            return Standard().read(message)
        return super().read(message)
