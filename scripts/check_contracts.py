"""Holds the contracts in proto/ to `buf lint`, and to `buf breaking` against an earlier commit; tries `buf generate`.

buf would fetch what the contracts import (google/rpc) from its registry. It also reads descriptor
images, and protoc makes those from the files that are installed anyway; so it runs without a network.

The earlier commit is HEAD where proto/ has uncommitted changes, else the one before HEAD.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from generate_proto import PROTO, ROOT, protoc

_BUF: Final = str(Path(sys.executable).parent / "buf")
_OPTIONS: Final = ("--config", str(ROOT / "buf.yaml"), "--path", "hookline")
"""Ours alone: the image holds google's files too."""


def image(proto: Path, target: Path) -> Path:
    """Describe every contract below `proto` in one file, comments and imports included."""
    protoc(proto, "--include_imports", "--include_source_info", f"--descriptor_set_out={target}")
    return target


def contracts_at(commit: str, target: Path) -> Path | None:
    """Lay the proto folder of `commit` into `target`; None where that commit has none."""
    if not _git("ls-tree", "--name-only", commit, "proto/"):
        return None
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "proto"))) as archive:
        archive.extractall(target, filter="data")
    return target / "proto"


def previous_commit() -> str | None:
    """The commit whose contracts must not be broken; None where there is none before this one."""
    candidate = "HEAD" if _git("status", "--porcelain", "--", "proto") else "HEAD~1"
    found = subprocess.run(["git", "rev-parse", "--verify", "--quiet", candidate], cwd=ROOT, capture_output=True, check=False)
    return candidate if found.returncode == 0 else None


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _buf(*arguments: str) -> None:
    if subprocess.run([_BUF, *arguments, *_OPTIONS], cwd=ROOT, check=False).returncode:
        raise SystemExit(f"buf {arguments[0]} found fault with the contracts")


def generated(contracts: Path, target: Path) -> int:
    """How many files buf.gen.yaml makes of the image `contracts`, below `target`."""
    environment = {**os.environ, "PATH": os.pathsep.join((str(Path(_BUF).parent), os.environ.get("PATH", "")))}
    command = [
        _BUF,
        "generate",
        str(contracts),
        "--template",
        str(ROOT / "buf.gen.yaml"),
        "--path",
        "hookline",
        "--output",
        str(target),
    ]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise SystemExit("buf generate could not do what buf.gen.yaml says")
    return sum(1 for file in target.rglob("*_pb2.py*"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Lints the contracts, and compares them with an earlier commit's.")
    parser.add_argument("--against", metavar="COMMIT", help="the commit to compare with")
    parser.add_argument("--image", metavar="FILE", type=Path, help="only write the descriptor image, for `buf generate`")
    asked = parser.parse_args()
    if asked.image is not None:
        image(PROTO, asked.image)
        return
    against = asked.against or previous_commit()
    with tempfile.TemporaryDirectory() as scratch:
        now = image(PROTO, Path(scratch, "now.binpb"))
        _buf("lint", str(now))
        print("buf lint: clean")
        print(f"buf generate: {generated(now, Path(scratch, 'generated'))} files")
        if against is None:
            print("buf breaking: skipped, there is no previous commit")
        elif (before := contracts_at(against, Path(scratch, "before"))) is None:
            print(f"buf breaking: skipped, {against} has no proto folder")
        else:
            _buf("breaking", str(now), "--against", str(image(before, Path(scratch, "before.binpb"))))
            print(f"buf breaking: nothing broken since {against}")


if __name__ == "__main__":
    main()
