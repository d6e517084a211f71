"""llama.cpp with one model, as a program that talks as local.pipe says.

A process a model, because loading holds the interpreter's lock, and because llama.cpp ends its process when it meets
what it did not expect.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import Any, Final

from local.pipe import Pipe

#: Prompt tokens between two looks at whether we were stopped. 64 reads 3 % slower than 512, and 32 reads 15 % slower.
_BATCH: Final = 64
#: Below this many bytes of weights a second thread makes generating slower.
_SMALL: Final = 256 << 20


def main() -> None:
    """Load the model that the arguments name, then answer until stdin ends."""
    pipe = Pipe()  # and silence: what llama.cpp prints may quote a prompt
    path = sys.argv[1]
    context, reading, writing = map(int, sys.argv[2:])
    try:
        engine = _load(path, context, reading, writing)
    except (ImportError, RuntimeError) as error:
        pipe.send({"failed": str(error) if isinstance(error, ImportError) else "llama.cpp refuses the file"})
        return
    pipe.send({"ready": True})
    for request in pipe.requests():
        _answer(engine, request, pipe)


def _load(path: str, context: int, reading: int, writing: int) -> Any:
    # Threads that spin while they wait for one another are a little faster on an idle machine and ten times slower on a
    # busy one. OpenMP reads this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # type: ignore[import-untyped] # noqa: PLC0415 - what it lacks is reported like a bad file

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context
    # One request at a time: several at once gain no speed here, and the same seed would not give the same text.
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = _BATCH
    params.cpuparams.n_threads = 1 if os.stat(path).st_size < _SMALL else writing  # noqa: PTH116 - a path as text
    params.cpuparams_batch.n_threads = reading
    params.cache_ram_mib = 0  # the last conversation stays in the context; others are read anew
    params.warmup = False
    params.fit_params = False  # else the model is read twice, to fit into a GPU that is not there
    params.verbosity = -1
    params.n_threads_http = 1
    # The engine insists on a listener of its own. This one is in a folder that only we can enter, and soon in none.
    folder = tempfile.mkdtemp(prefix="openprysm-")
    params.hostnames = [f"{folder}/engine.sock"]
    try:
        # Never to be deleted: its destructor can wait for ever. This process is killed instead.
        return xllamacpp.Server(params)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answer(engine: Any, request: dict[str, Any], pipe: Pipe) -> None:
    def pass_on(data: dict[str, Any]) -> bool:
        if "error" in data:
            pipe.send({"error": data["error"]})
        elif "prompt_progress" not in data:
            pipe.send({"chunk": data})
        return pipe.stopped()

    try:
        # Progress is asked for to be called, and so able to stop, while the prompt is still being read.
        engine.handle_chat_completions({**request, "stream": True, "return_progress": True}, pass_on)
    except (ValueError, RuntimeError) as error:
        # Thrown while it reads the request; what fails later comes as an error to `pass_on`.
        pipe.send({"error": {"code": 400, "message": str(error), "type": "invalid_request_error"}})
    pipe.send({"done": True})


if __name__ == "__main__":
    main()
