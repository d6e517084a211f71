"""`openprysm`, the command line: runs the suite on one machine, asks it, checks its proofs, keeps its keys."""

import os

# Read when gRPC is loaded, and so set here: a probe of a service that is not up yet is no news, nor is a fork.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
