"""The suite as a user runs it: `openprysm serve` in a process of its own, real Envoy and all."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENPRYSM = str(Path(sys.executable).with_name("openprysm"))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def free_row(length: int) -> int:
    """Return the first of several ports in a row that nobody listens on.

    Below those that the kernel hands out, so that nobody is given one of them meanwhile.
    """
    for first in random.sample(range(10_000, 30_000, length), 1_000):
        with ExitStack() as held:
            try:
                for port in range(first, first + length):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no ports are free")


@dataclass
class Suite:
    """A running suite."""

    url: str
    state: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The development key."""
        return (self.state / "dev-key").read_text().strip()

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends."""
        return {"authorization": f"Bearer {self.key}"}

    def pid_of(self, service: str) -> int:
        """Return the process id of a service."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            name = "gateway" if words[0].endswith(b"envoy") else words[2].decode() if len(words) > 2 else ""
            if name == service:
                return int(pid)
        raise LookupError(service)

    async def post(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """POST /v2/orchestrate with the development key."""
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{self.url}/v2/orchestrate", json=body, headers={**self.headers, **(headers or {})}) as got,
        ):
            return got.status, json.loads(await got.read())

    async def ask(self, text: str = "What is the capital of France?", **fields: Any) -> Any:
        """Orchestrate a question and return the answer."""
        status, body = await self.post({"messages": [{"role": "user", "content": text}], **fields})
        assert status == 200, body
        return body

    async def get(self, path: str) -> tuple[int, Any]:
        """GET a public path."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}{path}") as got:
            return got.status, json.loads(await got.read())


@contextmanager
def serving(environment: dict[str, str], state: Path | None = None) -> Iterator[Suite]:
    """Run a suite until the block ends."""
    folder = state or Path(tempfile.mkdtemp(prefix="prysm-"))
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENPRYSM_", "OTEL_"))}
    settings = {
        "OPENPRYSM_STATE": str(folder),
        "OPENPRYSM_PORT": str(port),
        "OPENPRYSM_LOCAL_MODELS": "off",
        "OPENPRYSM_RATE_LIMIT_PER_MINUTE": "100000",
        **environment,
    }
    process = subprocess.Popen(
        [OPENPRYSM, "serve"],
        env={**inherited, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    suite = Suite(f"http://127.0.0.1:{port}", folder, process)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            suite.lines.append(line)
            if "Ctrl-C" in line:
                break
        else:
            raise AssertionError("".join(suite.lines))
        yield suite
    finally:
        process.send_signal(signal.SIGINT)
        try:
            suite.lines.append(process.communicate(timeout=60)[0])
        finally:
            process.kill()
            process.wait()
        if state is None:
            shutil.rmtree(folder, ignore_errors=True)


def wait_until(holds: Any, timeout_s: float = 20.0) -> None:
    """Look again and again until `holds()`."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
