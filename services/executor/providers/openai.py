"""Chat completions, as OpenAI and all who follow it speak them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from executor.chat import CallError, ChatReply, ChatRequest
from executor.providers.http import count, post_json

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

#: Vendors' finish reasons that mean that the limit cut the answer. A tuple, because what came may not be hashable.
_CUT: Final = ("length", "max_tokens", "model_length")


class OpenAICompatible:
    """One server with `POST {base_url}/chat/completions`."""

    def __init__(
        self, client: aiohttp.ClientSession, base_url: str, key: str | None, limit_field: str = "max_tokens"
    ) -> None:
        """Make an adapter.

        Args:
            client: owned by the caller.
            base_url: up to and including `/v1`, as in the vendor's SDK.
            key: sent as bearer token.
            limit_field: the vendor's name for the limit of an answer.
        """
        self._client = client
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._limit_field = limit_field

    async def chat(self, request: ChatRequest, on_text: Callable[[str], None] | None = None) -> ChatReply:  # noqa: ARG002
        """Ask once; see Provider."""
        body = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "temperature": request.temperature,
            self._limit_field: request.max_tokens,
        }
        return _reply(await post_json(self._client, self._url, self._headers, body))


def _reply(answer: Any) -> ChatReply:
    try:
        choice = answer["choices"][0]
        content = choice["message"]["content"]
        if isinstance(content, list):  # Mistral's parts; what is no text is the model's thinking
            content = "".join(part["text"] for part in content if part["type"] == "text")
        if content is None:  # a refusal, or a limit spent on hidden reasoning
            content = choice["message"].get("refusal") or ""
        usage = answer.get("usage") or {}
        text, finish = str.__str__(content), choice.get("finish_reason")
        prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise CallError("bad_response", "the answer is no chat completion", worked=True) from error
    return ChatReply(text, "length" if finish in _CUT else "stop", prompt, completion)
