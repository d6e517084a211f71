"""The service's life: listen, fetch, load, serve, drain, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from chassis.config import private_folder
from local.fetch import fetch
from local.model import Model, ModelError
from local.progress import Lines
from local.server import application

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.settings import LocalSettings

_log = structlog.get_logger()


class ListenError(Exception):
    """The address can't be listened on; its text is one line for the operator."""


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; a second one kills."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        stopping.set()
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    return stopping


async def serve(settings: LocalSettings) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish within the grace.

    It listens from the first moment on; until every model is loaded, health says 503.

    Raises:
        ListenError: the address is taken or forbidden.
        WeightsError: a model's weights can't be had.
        ModelError: a model can't be loaded.
    """
    stopping = stop_signal()
    models, embedder = _chat_models(settings), _embedder(settings)
    everybody = [*models, embedder] if embedder else models
    app = web.AppRunner(
        application(models, embedder, stopping),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=settings.stop_grace_s,
    )
    await app.setup()
    with _listening(settings.local_listen or settings.socket("local")) as listener:
        await web.SockSite(app, listener).start()
        work = asyncio.create_task(_work(settings, everybody))
        try:
            await asyncio.wait({work, asyncio.ensure_future(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            await asyncio.sleep(settings.stop_delay_s)
            for model in everybody:
                model.stopping = True
        finally:
            await app.cleanup()
            work.cancel()
            await asyncio.wait({work})
    _log.info("stopped")


def _chat_models(settings: LocalSettings) -> list[Model]:
    files = {one.id: settings.weights / one.file for one in settings.embedded()} | settings.gguf
    how = [str(number) for number in (settings.local_context, *settings.threads())]
    command = (sys.executable, "-m", "local.engine")
    return [Model(name, (*command, str(path), *how), queue=settings.local_queue) for name, path in files.items()]


def _embedder(settings: LocalSettings) -> Model | None:
    if not (weights := settings.embedder()):
        return None
    files = (str(settings.weights / one.file) for one in weights.files)
    return Model(weights.id, (sys.executable, "-m", "local.embedder", *files), queue=settings.local_queue)


async def _work(settings: LocalSettings, models: Sequence[Model]) -> None:
    """Fetch and load the models, then keep them loaded."""
    await fetch(settings.needed(), settings.weights, Lines(lambda text: _log.info("fetching", progress=text)))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_announce(models))
            for model in models:
                group.create_task(model.run())
            group.create_task(asyncio.Event().wait())
    except* ModelError as errors:
        raise errors.exceptions[0] from None


async def _announce(models: Sequence[Model]) -> None:
    for model in models:
        await model.loaded.wait()
    _log.info("serving", models=[model.name for model in models])


@contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    """Return a socket bound to `address`; one in the file system is removed at the end."""
    try:
        listener = _bind_unix(address) if address.startswith("unix:") else _bind_tcp(address)
    except OSError as error:
        raise ListenError(f"can't listen on {address}: {error.strerror or error}") from error
    name = listener.getsockname()
    _log.info("listening", address=f"unix:{name}" if isinstance(name, str) else f"{name[0]}:{name[1]}")
    try:
        with listener:
            yield listener
    finally:
        if isinstance(name, str):
            Path(name).unlink(missing_ok=True)


def _bind_tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _bind_unix(address: str) -> socket.socket:
    """Bind a socket that is ours alone (0600), in a folder that is (0700). One that nobody listens on is replaced."""
    path = Path(address.removeprefix("unix:"))
    private_folder(path.parent)
    with socket.socket(socket.AF_UNIX) as probe, suppress(FileNotFoundError):
        if not probe.connect_ex(str(path)):
            raise ListenError(f"can't listen on {address}: somebody does already")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener
