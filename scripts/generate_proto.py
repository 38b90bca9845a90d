"""Generates sdk/hookline_proto from proto/: messages, gRPC stubs and their types.

The protobuf package is `hookline.v1`, which protoc would turn into a Python package of that name and
so into a part of the SDK. The generated modules are moved to `hookline_proto.v1` and their imports
follow; the names in the descriptor pool (`hookline/v1/event_service.proto`) stay as they are in every language.

    python scripts/generate_proto.py            writes
    python scripts/generate_proto.py --check    compares, and fails naming each file that differs
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROTO: Final = ROOT / "proto"
PACKAGE: Final = ROOT / "sdk" / "hookline_proto"

_IMPORT: Final = re.compile(r"^(from|import) hookline\.", re.MULTILINE)
_MODULE_NAME: Final = re.compile(r"(BuildTopDescriptorsAndMessages\(DESCRIPTOR, ')hookline\.")
_GENERATED: Final = ("*_pb2.py", "*_pb2_grpc.py", "*_pb2.pyi", "*_pb2_grpc.pyi")


def protoc(proto: Path, *options: str) -> None:
    """Run protoc over every file below `proto`; raise `SystemExit` with protoc's words if it refuses."""
    files = sorted(str(file.relative_to(proto)) for file in proto.rglob("*.proto"))
    if not files:
        raise SystemExit(f"no .proto files below {proto}")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto}", f"-I{_googleapis()}", *options, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"protoc failed:\n{done.stderr or done.stdout}")


def generate(proto: Path, package: Path) -> None:
    """Write the Python package for `proto` into `package`, in place of what was generated there before."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        plugins = [f"--plugin={name}={Path(sys.executable).parent / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
        protoc(proto, *plugins, *(f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")))
        made = {file.relative_to(out / "hookline"): _moved(file.read_text()) for file in _generated(out / "hookline")}
    for stale in set(_generated(package)) - {package / name for name in made}:
        stale.unlink()
    for name, text in made.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    for folder in {parent for name in made for parent in name.parents if parent != Path()}:
        (package / folder / "__init__.py").write_text(f'"""Generated from package hookline.{".".join(folder.parts)}."""\n')


def differences(committed: Path, fresh: Path) -> list[str]:
    """What `committed` lacks, has too much of, or has otherwise than `fresh`: a line a file, sorted."""
    ours, theirs = ({file.relative_to(top): file.read_text() for file in _generated(top)} for top in (committed, fresh))
    words = {(True, False): "has no .proto any more", (False, True): "is missing", (True, True): "is out of date"}
    return [
        f"{name} {words[name in ours, name in theirs]}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _generated(top: Path) -> list[Path]:
    return [file for pattern in _GENERATED for file in top.rglob(pattern)]


def _moved(text: str) -> str:
    return _MODULE_NAME.sub(r"\1hookline_proto.", _IMPORT.sub(r"\1 hookline_proto.", text))


def _googleapis() -> Path:
    """Where google/rpc/*.proto stand: googleapis-common-protos ships them beside its modules."""
    spec = importlib.util.find_spec("google.rpc")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("googleapis-common-protos is not installed: pip install -e '.[dev]'")
    return Path(next(iter(spec.submodule_search_locations))).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Generates sdk/hookline_proto from proto/.")
    parser.add_argument("--check", action="store_true", help="compare with what is committed, and write nothing")
    if not parser.parse_args().check:
        generate(PROTO, PACKAGE)
        print(f"generated {len(_generated(PACKAGE))} files below {PACKAGE.relative_to(ROOT)}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        generate(PROTO, Path(scratch))
        stale = differences(PACKAGE, Path(scratch))
    if stale:
        raise SystemExit("\n".join([*(f"sdk/hookline_proto/{line}" for line in stale), "run `make proto` and commit the result"]))
    print("the generated stubs are up to date")


if __name__ == "__main__":
    main()
