"""Where a store is, as it may be shown."""


def hidden(place: str) -> str:
    """A store's address without the password in it."""
    head, at, rest = place.rpartition("@")
    scheme, mark, login = head.partition("://")
    if not at or not mark:
        return place
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}{':…' if colon else ''}@{rest}"
