"""Small disks and files that nobody may write, undone at the end whatever happens."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of `size` at `place`; skips where none can be mounted."""
    mount = shutil.which("mount")
    if sys.platform != "linux" or mount is None or os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root on Linux")
    place.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place))
    done = subprocess.run([mount, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(file: Path) -> None:
    """Write until nothing more goes in."""
    with file.open("wb", buffering=0) as opened:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    opened.write(b"x" * size)
            except OSError:
                continue


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    """Nobody, root included, writes these files, even if they are open; skips where the file system cannot do that."""
    chattr = shutil.which("chattr")
    if sys.platform != "linux" or chattr is None or os.geteuid() != 0:
        pytest.skip("files can only be made immutable by root on Linux")
    done = subprocess.run([chattr, "+i", *map(str, files)], capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"files cannot be made immutable here: {done.stderr.strip()}")
        yield
    finally:
        subprocess.run([chattr, "-i", *map(str, files)], capture_output=True, check=not done.returncode)
