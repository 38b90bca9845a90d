"""Svix: Standard Webhooks under the names `svix-id`, `svix-timestamp` and `svix-signature`.

https://docs.svix.com/receiving/verifying-payloads/how-manual. Receivers take both sets of names, as Svix's
own libraries do.
"""

from hookline.signing.standard import WEBHOOK, HeaderNames, Standard


class Svix(Standard):
    """The scheme `svix`: signs under the names of Svix, verifies under these and those of Standard Webhooks."""

    def __init__(self) -> None:
        super().__init__(name="svix", names=HeaderNames("svix-id", "svix-timestamp", "svix-signature"), also=(WEBHOOK,))
