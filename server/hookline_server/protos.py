"""The .proto files, for callers in other languages: ours, and those that ours import."""

import importlib.util
from pathlib import Path
from typing import Final

from hookline.errors import HooklineError

_GOOGLE: Final = ("google/rpc/status.proto", "google/rpc/error_details.proto", "google/rpc/code.proto")
"""`status` is imported by ours, the others are what is in its details. What stands in google/protobuf every tool brings itself."""


class ProtosError(HooklineError):
    """The .proto files cannot be found or written: its message says why, and what to do."""

    reason = "PROTOS"


def write_protos(target: Path) -> list[Path]:
    """Write every .proto file below `target`, which becomes the one include path; answers with the files. Raises ProtosError."""
    ours, google = _ours(), _google()
    texts = {path.relative_to(ours): path for path in sorted(ours.rglob("*.proto"))}
    texts |= {Path(name): google / name for name in _GOOGLE}
    written = []
    try:
        for name, source in texts.items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source.read_bytes())
            written.append(file)
    except OSError as error:
        raise ProtosError(f"cannot write {error.filename} ({error.strerror}); name a folder that this user may write") from error
    return written


def _ours() -> Path:
    """Where the contracts stand: in the installed package, or in the repository for one that is installed from it."""
    package = _folder("hookline_proto")
    for folder in (package / "protos", package.parents[1] / "proto"):
        if (folder / "hookline" / "v1").is_dir():
            return folder
    raise ProtosError(f"the .proto files are not beside {package}; install hookline anew")


def _google() -> Path:
    """googleapis-common-protos ships its files beside its modules."""
    return _folder("google.rpc").parents[1]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ProtosError(f"the package {package} is not installed; install hookline anew")
    return Path(next(iter(spec.submodule_search_locations)))
