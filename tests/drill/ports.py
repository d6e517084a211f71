"""Ports that a drill has to itself for as long as it runs, through every restart of who listens on them."""

from __future__ import annotations

import os
import socket
from typing import Final

#: Below the range of which the kernel takes ports for outgoing connections: one must be free again after a restart.
_FIRST: Final = 20_000
_LAST: Final = 32_000
#: By process, so that two drills at once rarely try the same.
_SPREAD: Final = 10_000


class Ports:
    """Takes ports. Each is claimed by the UDP port of its number, which nobody else here uses, until `close`."""

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []
        self._next = _FIRST + os.getpid() * 40 % _SPREAD

    def take(self) -> int:
        """Return a TCP port of 127.0.0.1 that nobody listens on, and that no other drill gets."""
        while self._next < _LAST:
            port, self._next = self._next, self._next + 1
            claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                claim.bind(("127.0.0.1", port))
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
            self._claims.append(claim)
            return port
        raise AssertionError("no ports are free")

    def close(self) -> None:
        """Give all of them back."""
        for claim in self._claims:
            claim.close()
