"""Importing this keeps gRPC's C core from writing to standard error, where a command says in one line what is wrong.

It has to happen before gRPC is imported. Whoever wants to see it sets GRPC_VERBOSITY.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
