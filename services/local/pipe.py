"""An engine's end of the pipe: requests come on stdin, chunks go to stdout, one JSON object a line.

The parent sends `{"request": …}`, and the next one only after `{"done": true}`; `{"stop": true}` ends the running one
early. The engine sends `{"ready": true}` or `{"failed": reason}` once, then `{"chunk": …}` and `{"error": …}`. When
stdin ends, so does the engine.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pipe:
    """The pipe of this process. Takes stdout for itself: what anybody else prints, there or on stderr, is dropped."""

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's to handle
        self._out = os.fdopen(os.dup(1), "wb")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._stop = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "request" in message:
                self._stop.clear()  # a stop before this line was meant for the request before
                self._requests.put(message["request"])
            else:
                self._stop.set()
        os._exit(0)

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield requests, for ever."""
        while True:
            yield self._requests.get()

    def stopped(self) -> bool:
        """Tell whether the running request is to end early."""
        return self._stop.is_set()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; end the process when nobody reads any more."""
        try:
            self._out.write(json.dumps(message).encode() + b"\n")
            self._out.flush()
        except BrokenPipeError:
            os._exit(0)
