"""An HTTP/2 client that sends what it is told, right or wrong (RFC 9113, RFC 7541)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: RFC 7541, appendix A: indices 8..14.
_STATUS: Final = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
#: RFC 7541, appendix B: the digits.
_HUFFMAN: Final = {"00000": "0", "00001": "1", "00010": "2"} | {f"{25 + n:06b}": str(3 + n) for n in range(7)}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _string(text: str) -> bytes:
    data, length = text.encode(), b""
    rest = len(data)
    if rest < 127:
        return bytes((rest,)) + data
    rest -= 127
    while rest > 127:
        length += bytes((rest % 128 + 128,))
        rest //= 128
    return b"\x7f" + length + bytes((rest,)) + data


def block(fields: list[tuple[str, str]]) -> bytes:
    """Encode header fields, each as a literal that is not indexed."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def status(payload: bytes) -> int:
    """Read the status, the first field of a response."""
    while payload[0] & 0xE0 == 0x20:  # a change of the dynamic table's size
        payload = payload[1:]
    if payload[0] & 0x80:
        return _STATUS[payload[0] & 0x7F]
    length, coded = payload[1] & 0x7F, bool(payload[1] & 0x80)
    value = payload[2 : 2 + length]
    if not coded:
        return int(value)
    bits, digits = "".join(f"{byte:08b}" for byte in value), ""
    while len(digits) < 3:
        width = 5 if bits[:5] in _HUFFMAN else 6
        digits, bits = digits + _HUFFMAN[bits[:width]], bits[width:]
    return int(digits)


class Response(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Connection:
    """One connection. Streams are numbered by the caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> tuple[int, int, int, bytes]:
        """Read a frame: kind, flags, stream, payload."""
        head = await self.reader.readexactly(9)
        payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
        return head[3], head[4], int.from_bytes(head[5:9], "big"), payload

    async def request(
        self, stream: int, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b""
    ) -> Response:
        """Send a request and read its response."""
        fields = [(":method", method), (":scheme", "http"), (":authority", "gateway"), (":path", path), *headers]
        self.writer.write(frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), stream, block(fields)))
        if body:
            self.writer.write(frame(DATA, END_STREAM, stream, body))
        code, received, ended = 0, b"", 0
        while not ended:
            kind, flags, number, payload = await self.read()
            if kind == SETTINGS and not flags & ACK:
                self.writer.write(frame(SETTINGS, ACK, 0))
            elif (kind == RST_STREAM and number == stream and not code) or (
                kind == GOAWAY and int.from_bytes(payload[:4], "big") < stream
            ):
                raise ConnectionResetError
            elif number == stream and kind in (HEADERS, DATA):
                code = status(payload) if kind == HEADERS and not code else code
                received += payload if kind == DATA else b""
                ended = flags & END_STREAM
        return Response(code, received)


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_PREFACE + frame(SETTINGS, 0, 0))
    try:
        async with asyncio.timeout(10):
            yield Connection(reader, writer)
    finally:
        writer.transport.abort()
