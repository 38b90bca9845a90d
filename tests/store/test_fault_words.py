"""What the system reports of the files is told with its cause and a remedy."""

import errno
import os
from pathlib import Path

import pytest

from hookline.errors import StoreError, Unavailable
from hookline.store.sqlite.faults import at_opening, at_work

PATH = Path("/data/hookline.db")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, ("full", "make room")),
        (errno.EDQUOT, ("quota", "make room")),
        (errno.EROFS, ("cannot be written", "read-only")),
        (errno.EACCES, ("cannot be written", "owner and the mode")),
        (errno.EPERM, ("cannot be written", "owner and the mode")),
        (errno.EMFILE, ("no file descriptors left", "ulimit -n", "LimitNOFILE")),
        (errno.ENFILE, ("this machine has no room for more open files", "fs.file-max")),
        (errno.EIO, ("cannot be reached", os.strerror(errno.EIO))),
    ],
)
def test_an_error_of_the_system_names_the_file_the_cause_and_the_remedy(number: int, words: tuple[str, ...]) -> None:
    told = at_work(OSError(number, os.strerror(number)), PATH)
    assert isinstance(told, Unavailable)
    assert told.retry_after == 1.0
    for word in (str(PATH), *words):
        assert word in str(told)


def test_a_store_that_cannot_be_opened_for_want_of_descriptors_says_so() -> None:
    told = at_opening(OSError(errno.EMFILE, os.strerror(errno.EMFILE)), PATH)
    assert isinstance(told, StoreError)
    assert "LimitNOFILE" in str(told)
