"""Messages and stubs of the contracts in proto/, generated for Python.

This package imports nothing of hookline. `hookline_proto.v1` holds what is generated from package
`hookline.v1`.
"""

from pathlib import Path
from typing import Final

__all__ = ["PROTO_ROOT"]

_HERE: Final = Path(__file__).resolve().parent
_INSTALLED: Final = _HERE / "protos"

PROTO_ROOT: Final = _INSTALLED if _INSTALLED.is_dir() else _HERE.parents[1] / "proto"
"""The folder that imports of .proto files are relative to: it holds `hookline/v1/*.proto`.

A wheel carries the files inside this package; an editable install reads them where they are written.
"""
