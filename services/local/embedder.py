"""all-MiniLM-L6-v2, as a program that talks as local.pipe says.

A request is `{"texts": […]}`, a chunk one text's vector. A process of its own, so that neither arithmetic nor memory is
the server's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local.pipe import Pipe


def main() -> None:
    """Load the model from the weights and the tokenizer that the arguments name, then answer until stdin ends."""
    pipe = Pipe()
    # One thread: a second one makes a short text a third faster when it has a processor to itself, which it has not
    # while models generate. OpenBLAS reads this when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # The tokenizer would start threads for one text.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from local.minilm import MiniLM  # noqa: PLC0415 - after the environment
        from local.safetensors import TensorError  # noqa: PLC0415 - likewise
    except ImportError as error:
        pipe.send({"failed": str(error)})
        return
    try:
        model = MiniLM(Path(sys.argv[1]), Path(sys.argv[2]))
    except TensorError as error:
        pipe.send({"failed": str(error)})
        return
    pipe.send({"ready": True})
    for request in pipe.requests():
        for text in request["texts"]:
            if pipe.stopped():
                break
            vector = model.embed(text)
            pipe.send({"chunk": {"vector": vector.values.tolist(), "pieces": vector.pieces}})
        pipe.send({"done": True})


if __name__ == "__main__":
    main()
