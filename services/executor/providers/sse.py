"""Server-Sent Events, out of bytes as they arrive (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOM: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. Its id is not kept: no provider resumes a stream."""

    #: Empty when it was not named.
    name: bytes
    #: The values of its `data` lines, joined by LF. Not decoded: who reads it says what invalid UTF-8 means.
    data: bytes


class EventStream:
    """The events of one response body, however its bytes are cut into chunks.

    Holds at most `limit` bytes of an event that is not complete. What is left at the end of the body is no event.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: The line that has no end yet.
        self._rest = bytearray()
        #: The last chunk ended in CR: a LF that follows belongs to it.
        self._after_cr = False
        self._first_line = True
        self._name = b""
        self._data: list[bytes] = []
        #: Bytes of the lines in `_data`.
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Take the next bytes and yield the events that they complete; to be consumed before the next call.

        Raises:
            CallError: `too_large`.
        """
        if not chunk:
            return
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        if b"\n" in chunk or b"\r" in chunk:
            block = bytes(self._rest) + chunk
            lines = block.splitlines()  # of bytes, this splits at LF, CR and CRLF only
            self._rest = bytearray() if block.endswith((b"\n", b"\r")) else bytearray(lines.pop())
            for line in lines:
                if line:
                    self._take(line)
                elif event := self._complete():
                    yield event
        else:
            self._rest += chunk
        self._check(len(self._rest))

    def _take(self, line: bytes) -> None:
        self._check(len(line))
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        field, _, value = line.partition(b":")
        if field == b"data":
            self._size += len(line)
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ")

    def _complete(self) -> Event | None:
        self._first_line = False
        event = Event(self._name, b"\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = b"", [], 0
        return event

    def _check(self, more: int) -> None:
        if self._size + more > self._limit:
            raise CallError("too_large", f"an event of the answer has more than {self._limit} bytes", worked=True)
