"""The .proto files that are written for other languages are complete: they compile with nothing else beside them."""

import subprocess
import sys
from pathlib import Path

import pytest

from hookline_server.protos import ProtosError, write_protos


def test_what_is_written_compiles_alone(tmp_path: Path) -> None:
    written = [str(path.relative_to(tmp_path)) for path in write_protos(tmp_path)]
    assert {"hookline/v1/event_service.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"} <= set(written)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"--descriptor_set_out={tmp_path / 'all'}", *written]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProtosError, match="cannot write"):
        write_protos(tmp_path / "file")
