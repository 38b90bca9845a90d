"""What somebody may have meant by a name that is not known."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like `name`, as a question; if none is, all of them."""
    names = list(known)
    like = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {like[0]}?" if like else f"known are {', '.join(names)}"
