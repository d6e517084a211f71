"""Who can be asked: the hosted providers with a key, and the operator's own servers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import aiohttp
import structlog

from executor import recording
from executor.chat import CallError
from executor.orchestrate import Offer
from executor.providers.anthropic import Anthropic
from executor.providers.embeddings import Embeddings
from executor.providers.http import session
from executor.providers.openai import OpenAICompatible
from executor.providers.replay import Replay, index

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from executor.breaker import Breakers
    from executor.chat import Provider
    from executor.plan import Model
    from executor.settings import ExecutorSettings

LOCAL: Final = "local"
REPLAY: Final = "replay"
#: The embedded server's name of its model.
_EMBEDDER: Final = "all-minilm-l6-v2"
#: Seconds between looks at which models the embedded server offers: soon again while it offers none.
_POLL_S: Final = 5.0
_POLL_EMPTY_S: Final = 0.5
_POLL_TIMEOUT_S: Final = 3.0

_log = structlog.get_logger()


class Fleet:
    """All providers of the process. Owns their connections from entering to leaving its context."""

    def __init__(self, settings: ExecutorSettings, breakers: Breakers) -> None:
        self._settings = settings
        self._breakers = breakers
        self._hosted: dict[str, Provider] = {}
        self._own: dict[str, Provider] = {}
        self._embedded: Provider | None = None
        self._embedded_models: tuple[str, ...] = ()
        self._sessions: list[aiohttp.ClientSession] = []
        self._poll: asyncio.Task[None] | None = None
        #: Makes vectors of texts, see Embeddings.embed; None when nobody does. Set on entering.
        self.embed: Callable[[Sequence[str]], Awaitable[list[list[float]]]] | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        client = self._open(session())
        bearer = {
            "openai": (settings.openai_api_key, settings.openai_base_url),
            "google": (settings.google_api_key, settings.google_base_url),
            "mistral": (settings.mistral_api_key, settings.mistral_base_url),
            "deepseek": (settings.deepseek_api_key, settings.deepseek_base_url),
            "xai": (settings.xai_api_key, settings.xai_base_url),
        }
        for name, (key, url) in bearer.items():
            if key:
                # OpenAI's newer models refuse the old name of the limit; the others know only that one.
                limit = "max_completion_tokens" if name == "openai" else "max_tokens"
                # Mistral refuses to be asked for the usage of a stream, and tells it in the last chunk anyway.
                self._hosted[name] = OpenAICompatible(
                    client, url, key.get_secret_value(), limit, asks_usage=name != "mistral"
                )
        if settings.anthropic_api_key:
            key_text = settings.anthropic_api_key.get_secret_value()
            self._hosted["anthropic"] = Anthropic(client, settings.anthropic_base_url, key_text)
        if settings.replay:
            self._hosted[REPLAY] = Replay(index(recording.read(settings.replay)))
        own_key = settings.models_api_key.get_secret_value() if settings.models_api_key else None
        self._own = {model: OpenAICompatible(client, url, own_key) for model, url in settings.models.items()}
        if settings.local_models != "off" or settings.gguf:
            self._watch_embedded()
        if isinstance(settings.embeddings, tuple):
            (model, url), secret = settings.embeddings, settings.embeddings_api_key
            self.embed = Embeddings(client, url, model, secret.get_secret_value() if secret else None).embed
        elif settings.embeddings == LOCAL:
            self.embed = Embeddings(*self._embedded_server(), _EMBEDDER, None).embed
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._poll:
            self._poll.cancel()
            with suppress(asyncio.CancelledError):
                await self._poll
        for client in self._sessions:
            await client.close()

    def _open(self, client: aiohttp.ClientSession) -> aiohttp.ClientSession:
        self._sessions.append(client)
        return client

    def _embedded_server(self) -> tuple[aiohttp.ClientSession, str]:
        """Return a session for the embedded server, and its base URL."""
        address = self._settings.local or self._settings.socket(LOCAL)
        if address.startswith("unix:"):
            return self._open(session(aiohttp.UnixConnector(address.removeprefix("unix:"), limit=0))), "http://local/v1"
        return self._open(session()), f"http://{address}/v1"

    def _watch_embedded(self) -> None:
        client, url = self._embedded_server()
        self._embedded = OpenAICompatible(client, url, None)
        self._poll = asyncio.create_task(self._keep_looking(client, url))

    async def _keep_looking(self, client: aiohttp.ClientSession, url: str) -> None:
        while True:
            try:
                async with asyncio.timeout(_POLL_TIMEOUT_S), client.get(f"{url}/models") as response:
                    listed = await response.json()
                models = tuple(str(entry["id"]) for entry in listed["data"])
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError, KeyError, TypeError):
                models = ()
            if models != self._embedded_models:
                _log.info("embedded_models", models=models)
                self._embedded_models = models
            await asyncio.sleep(_POLL_S if models else _POLL_EMPTY_S)

    def offer(self) -> Offer:
        """Return what can be asked right now."""
        own = dict.fromkeys((*self._embedded_models, *self._own))
        return Offer(tuple(self._hosted), tuple(own), self._breakers.unhealthy())

    def provider_of(self, model: Model) -> Provider:
        """Return who serves a model.

        Raises:
            CallError: nobody does any more.
        """
        provider = self._hosted.get(model.provider)
        if model.provider == LOCAL:
            provider = self._own.get(model.id) or self._embedded
        if provider is None:
            raise CallError("unavailable", "no provider serves this model")
        return provider
