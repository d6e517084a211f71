"""A provider's HTTP edge on loopback, speaking OpenAI's and Anthropic's dialects, scripted by model."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from system.dialects import Answer, event

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


async def _begin(request: web.Request, opening: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await response.write(opening)
    return response


def says(
    text: str,
    prompt_tokens: Any = 20,
    completion_tokens: Any = 10,
    finish: str = "stop",
    *,
    after_s: float = 0.0,
    every_s: float = 0.0,
    logprob: float | None = None,
) -> Behaviour:
    """Answer as the dialect of the path demands, in pieces to who asked for them.

    Args:
        text: of the answer.
        prompt_tokens: the vendor's claim, however absurd.
        completion_tokens: likewise.
        finish: `stop` or `length`.
        after_s: seconds before the answer begins at all.
        every_s: seconds before each piece, also the first.
        logprob: of each piece.
    """
    answer = Answer(text, prompt_tokens, completion_tokens, finish, logprob)

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(after_s)
        if not body.get("stream"):
            return web.json_response(answer.whole(request.path, body))
        before, pieces, after = answer.stream(request.path, body)
        response = await _begin(request, before)
        for piece in pieces:
            await asyncio.sleep(every_s)
            await response.write(piece)
        await response.write(after)
        return response

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


def cuts(text: str = "") -> Behaviour:
    """Send half an answer and close: of a whole one, half of its body; of one in pieces, those of this text."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body.get("stream"):
            before, pieces, _ = Answer(text).stream(request.path, body)
            response = await _begin(request, before + b"".join(pieces))
        else:
            response = web.StreamResponse(headers={"content-length": "1000", "content-type": "application/json"})
            await response.prepare(request)
            await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


def breaks(text: str = "", kind: str = "overloaded_error") -> Behaviour:
    """Answer 200 and tell an error: at once, or, in pieces, after those of this text."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        error = {"type": "error", "error": {"type": kind, "message": "canary-provider-words"}}
        if not body.get("stream"):
            return web.json_response(error)
        before, pieces, _ = Answer(text).stream(request.path, body)
        return await _begin(request, before + b"".join(pieces) + event(error))

    return behave


def endless(word: str = "and ", every_s: float = 0.0) -> Behaviour:
    """Answer without end."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        before, pieces, _ = Answer(word).stream(request.path, body)
        response = await _begin(request, before)
        while True:
            await asyncio.sleep(every_s)
            await response.write(b"".join(pieces))

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
        except (asyncio.CancelledError, ConnectionError):  # noticed while waiting, or while writing
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
