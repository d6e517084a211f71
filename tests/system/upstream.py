"""A provider's HTTP edge on loopback, speaking OpenAI's and Anthropic's dialects, scripted by model."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """What arrived."""

    path: str
    model: str
    headers: dict[str, str]
    body: dict[str, Any]
    cancelled: bool = False


def says(text: str, prompt_tokens: Any = 20, completion_tokens: Any = 10, finish: str = "stop") -> Behaviour:
    """Answer as the dialect of the path demands."""

    async def behave(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        if request.path.endswith("/messages"):
            return web.json_response(
                {
                    "content": [{"type": "text", "text": text}],
                    "stop_reason": "max_tokens" if finish == "length" else "end_turn",
                    "usage": {"input_tokens": prompt_tokens, "output_tokens": completion_tokens},
                }
            )
        return web.json_response(
            {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
                "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
            }
        )

    return behave


def fails(status: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with a status, echoing the caller's credentials as a careless provider does."""

    async def behave(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(
            {"error": {"message": f"canary-provider-words {request.headers.get('authorization')}"}},
            status=status,
            headers=headers,
        )

    return behave


def raw(body: bytes, content_type: str = "application/json") -> Behaviour:
    """Answer 200 with these bytes."""

    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    return behave


def hangs() -> Behaviour:
    """Never answer."""

    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return behave


def cuts() -> Behaviour:
    """Announce a body, send half of it, close."""

    async def behave(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "1000", "content-type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


@dataclass
class Upstream:
    """The server, in a thread of its own. `scripts` holds what each model does next; its last entry stays."""

    scripts: dict[str, list[Behaviour]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    port: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget scripts and calls."""
        self.scripts.clear()
        self.calls.clear()
        self.cancelled.clear()

    def by_model(self) -> dict[str, int]:
        """Count calls."""
        counts: dict[str, int] = defaultdict(int)
        for call in self.calls:
            counts[call.model] += 1
        return dict(counts)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        call = Call(request.path, body["model"], dict(request.headers), body)
        self.calls.append(call)
        script = self.scripts.get(call.model) or self.scripts.get("*") or [says("The capital of France is Paris.")]
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        try:
            return await behaviour(request, body)
        except asyncio.CancelledError:
            call.cancelled = True
            self.cancelled.set()
            raise

    def __enter__(self) -> Self:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

        async def serve() -> None:
            app = web.Application(client_max_size=1 << 26)
            app.router.add_post("/{tail:.*}", self._handle)
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            started.set()
            await self._stop.wait()
            await runner.cleanup()

        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(serve(),), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def environment(self) -> dict[str, str]:
        """Point every hosted provider here."""
        vendors = {
            "OPENAI": "OPENAI", "GOOGLE": "GEMINI", "MISTRAL": "MISTRAL", "DEEPSEEK": "DEEPSEEK", "XAI": "XAI",
        }  # fmt: skip
        settings = {f"OPENPRYSM_{name}_BASE_URL": f"http://127.0.0.1:{self.port}/v1" for name in vendors}
        settings |= {f"{key}_API_KEY": f"canary-key-{name}" for name, key in vendors.items()}
        settings["OPENPRYSM_ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{self.port}"
        settings["ANTHROPIC_API_KEY"] = "canary-key-ANTHROPIC"
        return settings
