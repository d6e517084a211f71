"""`openprysm`, the command line: runs the suite on one machine, asks it, checks its proofs, keeps its keys."""
