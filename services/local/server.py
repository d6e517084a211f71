"""The HTTP side: OpenAI's chat completions, embeddings and list of models, and a health check."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web

from local import embeddings
from local.chat import ChatError, fold, parse

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from local.chat import Ask
    from local.model import Model

    Chunks = AsyncGenerator[dict[str, Any], None]

MAX_BODY_BYTES: Final = 2 << 20

_log = structlog.get_logger()


def application(models: Sequence[Model], embedder: Model | None, stopping: asyncio.Event) -> web.Application:
    """Return the application that serves `models` and, where there is one, `embedder`.

    Run it with handler_cancellation, or nobody notices who hangs up. Health is down once `stopping` is set.
    """
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors])
    endpoints = _Endpoints(models, embedder, stopping)
    app.add_routes(
        [
            web.get("/health", endpoints.health),
            web.get("/v1/models", endpoints.models),
            web.post("/v1/chat/completions", endpoints.chat),
            web.post("/v1/embeddings", endpoints.embeddings),
        ]
    )
    return app


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give every failure the shape that OpenAI's clients read."""
    try:
        return await handler(request)
    except ChatError as error:
        return _refusal(error)
    except web.HTTPRequestEntityTooLarge:
        return _refusal(ChatError(413, f"the body has more than {MAX_BODY_BYTES} bytes"))
    except web.HTTPException as error:
        return _refusal(ChatError(error.status, error.reason))
    except ConnectionError:
        raise  # the client went while we wrote; nobody reads an answer
    except Exception:  # noqa: BLE001 - whatever it is, the client gets JSON and the log its place
        _log.exception("request failed", path=request.path)
        return _refusal(ChatError(500, "the request failed"))


def _refusal(error: ChatError) -> web.Response:
    headers = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return web.json_response(error.body(), status=error.status, headers=headers)


class _Endpoints:
    def __init__(self, models: Sequence[Model], embedder: Model | None, stopping: asyncio.Event) -> None:
        self._models = {model.name: model for model in models}
        self._embedder = embedder
        self._everybody = [*models, embedder] if embedder else list(models)
        self._stopping = stopping
        self._since = int(time.time())

    async def health(self, _request: web.Request) -> web.Response:
        if self._stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        if loading := [model.name for model in self._everybody if not model.loaded.is_set()]:
            return web.json_response({"status": "loading", "loading": loading}, status=503)
        return web.json_response({"status": "ok", "waiting": {one.name: one.waiting for one in self._everybody}})

    async def models(self, _request: web.Request) -> web.Response:
        data = [
            {"id": name, "object": "model", "created": self._since, "owned_by": "openprysm"} for name in self._models
        ]
        return web.json_response({"object": "list", "data": data})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        ask = parse(await request.read())
        model = self._models.get(ask.model)
        if model is None:
            known = ", ".join(self._models) or "none"
            raise ChatError(404, f"there is no model of this name; there are: {known}", "model_not_found")
        began = time.monotonic()
        outcome: int | str = "hung up"
        try:
            async with aclosing(model.chat(ask.body)) as chunks:
                answer = _stream if ask.stream else _whole
                response = await answer(request, ask, chunks)
            outcome = response.status
        except ChatError as error:
            outcome = error.status
            raise
        finally:
            _log.info("chat", model=ask.model, outcome=outcome, seconds=round(time.monotonic() - began, 3))
        return response

    async def embeddings(self, request: web.Request) -> web.Response:
        ask = embeddings.parse(await request.read())
        if self._embedder is None or ask.model != self._embedder.name:
            known = self._embedder.name if self._embedder else "none; OPENPRYSM_EMBEDDINGS=local asks for one"
            raise ChatError(404, f"there is no embedding model of this name; there are: {known}", "model_not_found")
        began = time.monotonic()
        outcome: int | str = "hung up"
        try:
            async with aclosing(self._embedder.chat({"texts": ask.texts})) as chunks:
                said = embeddings.answer(ask, [chunk async for chunk in chunks])
            outcome = 200
        except ChatError as error:
            outcome = error.status
            raise
        finally:
            seconds = round(time.monotonic() - began, 3)
            _log.info("embeddings", model=ask.model, texts=len(ask.texts), outcome=outcome, seconds=seconds)
        return web.json_response(said)


async def _whole(_request: web.Request, ask: Ask, chunks: Chunks) -> web.StreamResponse:
    ask.body["stream_options"] = {"include_usage": True}
    return web.json_response({**fold([chunk async for chunk in chunks]), "model": ask.model})


async def _stream(request: web.Request, ask: Ask, chunks: Chunks) -> web.StreamResponse:
    # The first chunk comes before the status line: until then a refusal can still be one.
    first = await anext(chunks)
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
    await response.prepare(request)
    await response.write(_event({**first, "model": ask.model}))
    try:
        async for chunk in chunks:
            await response.write(_event({**chunk, "model": ask.model}))
        await response.write(b"data: [DONE]\n\n")
    except ChatError as error:
        await response.write(_event(error.body()))
    await response.write_eof()
    return response


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
