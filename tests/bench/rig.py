"""What is measured: a whole suite, signing, logging and tracing, before a fake upstream and a fake collector."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc

from bench import load
from cli.collector import Collector
from system.suite import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.fake import Fake
    from system.suite import Suite

SERVICES: Final = ("gateway", "executor", "planner", "proof")
_QUESTION: Final = [{"role": "user", "content": "What is the capital of France?"}]
#: What is measured must not be the rate limit.
_LIMITS: Final = ("OPENPRYSM_RATE_LIMIT_PER_MINUTE", "OPENPRYSM_GLOBAL_RATE_LIMIT_PER_MINUTE")
_NO_LIMIT: Final = "4000000000"


class Sink(Collector):
    """An OTLP receiver that takes everything and keeps nothing."""

    def service(self, _handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda _batch, _context: b"")


@dataclass(frozen=True)
class Rig:
    """A suite that runs, and what stands behind it."""

    suite: Suite
    fake: Fake

    @property
    def url(self) -> str:
        """The gateway."""
        return self.suite.url

    @property
    def pids(self) -> dict[str, int]:
        """The processes that take part, this one as `load`."""
        services = {name: self.suite.pid_of(name) for name in SERVICES}
        return {**services, "fake": self.fake.pid, "load": os.getpid()}

    def ask(self, **fields: Any) -> bytes:
        """Return an orchestration's request as it goes over the wire."""
        body = json.dumps({"messages": _QUESTION, **fields}).encode()
        return load.request(self.url, "/v2/orchestrate", self.suite.headers, body)


@contextmanager
def rig(fake: Fake, *, tracing: bool = True, **environment: str) -> Iterator[Rig]:
    """Run a suite before a fake upstream until the block ends."""
    with Sink() as sink:
        traces = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.port}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        }
        settings = {**fake.environment, **dict.fromkeys(_LIMITS, _NO_LIMIT), **(traces if tracing else {})}
        with serving({**settings, **environment}) as suite:
            yield Rig(suite, fake)


def call_of_a_peer(url: str) -> bytes:
    """Return the same work as a call of an OpenAI-compatible server; `PEER_MODEL` and `PEER_KEY` are what it wants."""
    body = json.dumps({"model": os.environ.get("PEER_MODEL", "gpt-4o"), "messages": _QUESTION}).encode()
    headers = {"authorization": f"Bearer {os.environ.get('PEER_KEY', 'fake')}"}
    return load.request(url, "/v1/chat/completions", headers, body)
