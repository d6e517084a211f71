"""Messages, as Anthropic speaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.chat import CallError, ChatReply, ChatRequest
from executor.providers.http import count, post_json

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

_VERSION = "2023-06-01"


class Anthropic:
    """One server with `POST {base_url}/v1/messages`."""

    def __init__(self, client: aiohttp.ClientSession, base_url: str, key: str) -> None:
        """Make an adapter; `client` is owned by the caller, `base_url` is without `/v1`, as in the vendor's SDK."""
        self._client = client
        self._url = base_url.rstrip("/") + "/v1/messages"
        self._headers = {"x-api-key": key, "anthropic-version": _VERSION}

    async def chat(self, request: ChatRequest, on_text: Callable[[str], None] | None = None) -> ChatReply:  # noqa: ARG002
        """Ask once; see Provider. A temperature over 1 is sent as 1, the API's most."""
        system = "\n\n".join(message.text for message in request.messages if message.role == "system")
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [
                {"role": message.role, "content": message.text}
                for message in request.messages
                if message.role != "system"
            ],
            "max_tokens": request.max_tokens,
            "temperature": min(request.temperature, 1.0),
        }
        if system:
            body["system"] = system
        return _reply(await post_json(self._client, self._url, self._headers, body))


def _reply(answer: Any) -> ChatReply:
    try:
        text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
        usage = answer.get("usage") or {}
        read = [usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0]
        prompt = count(usage.get("input_tokens"))
        prompt = None if prompt is None else prompt + sum(count(value) or 0 for value in read)
        completion = count(usage.get("output_tokens"))
        finish = "length" if answer.get("stop_reason") == "max_tokens" else "stop"
    except (KeyError, TypeError, AttributeError) as error:
        raise CallError("bad_response", "the answer is no message", worked=True) from error
    return ChatReply(text, finish, prompt, completion)
