"""llama.cpp with one model, as a program: requests come on stdin, chunks go to stdout, one JSON object a line.

A process a model, because loading holds the interpreter's lock, and because llama.cpp ends its process when it meets
what it did not expect. The parent sends `{"request": …}`, and the next one only after `{"done": true}`;
`{"stop": true}` ends the running one early. We send `{"ready": true}` or `{"failed": reason}` once, then
`{"chunk": …}` and `{"error": …}`. When stdin ends, so do we.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
from typing import IO, Any, Final

#: Prompt tokens between two looks at whether we were stopped. 64 reads 3 % slower than 512, and 32 reads 15 % slower.
_BATCH: Final = 64
#: Below this many bytes of weights a second thread makes generating slower.
_SMALL: Final = 256 << 20


def main() -> None:
    """Load the model that the arguments name, then answer until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's to handle
    out = os.fdopen(os.dup(1), "wb")
    # What llama.cpp prints may quote a prompt.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    path = sys.argv[1]
    context, reading, writing = map(int, sys.argv[2:])
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_read, args=(requests, stop), daemon=True).start()
    try:
        engine = _load(path, context, reading, writing)
    except (ImportError, RuntimeError) as error:
        _send(out, {"failed": str(error) if isinstance(error, ImportError) else "llama.cpp refuses the file"})
        return
    _send(out, {"ready": True})
    while True:
        _answer(engine, requests.get(), stop, out)


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


def _read(requests: queue.SimpleQueue[dict[str, Any]], stop: threading.Event) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "request" in message:
            stop.clear()  # a stop before this line was meant for the request before
            requests.put(message["request"])
        else:
            stop.set()
    os._exit(0)


def _send(out: IO[bytes], message: dict[str, Any]) -> None:
    try:
        out.write(json.dumps(message).encode() + b"\n")
        out.flush()
    except BrokenPipeError:
        os._exit(0)


def _answer(engine: Any, request: dict[str, Any], stop: threading.Event, out: IO[bytes]) -> None:
    def pass_on(data: dict[str, Any]) -> bool:
        if "error" in data:
            _send(out, {"error": data["error"]})
        elif "prompt_progress" not in data:
            _send(out, {"chunk": data})
        return stop.is_set()

    try:
        # Progress is asked for to be called, and so able to stop, while the prompt is still being read.
        engine.handle_chat_completions({**request, "stream": True, "return_progress": True}, pass_on)
    except (ValueError, RuntimeError) as error:
        # Thrown while it reads the request; what fails later comes as an error to `pass_on`.
        _send(out, {"error": {"code": 400, "message": str(error), "type": "invalid_request_error"}})
    _send(out, {"done": True})


if __name__ == "__main__":
    main()
