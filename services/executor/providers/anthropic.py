"""Messages, as Anthropic speaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from executor.chat import CallError, ChatReply, ChatRequest
from executor.providers.figures import count
from executor.providers.http import Heard, decode, post_for_events, post_json
from executor.providers.pieces import Pieces
from executor.providers.refusals import cut, error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from executor.providers.sse import Event

_VERSION: Final = "2023-06-01"
#: Stop reasons that mean that the text is cut: by a limit, or by a classifier, which stops the model in mid-sentence.
#: A tuple, because what came may not be hashable.
_CUT: Final = ("max_tokens", "model_context_window_exceeded", "refusal")
#: What reading JSON of an unexpected shape raises.
_MISSHAPEN: Final = (KeyError, TypeError, AttributeError)


class Anthropic:
    """One server with `POST {base_url}/v1/messages`."""

    def __init__(self, client: aiohttp.ClientSession, base_url: str, key: str) -> None:
        """Make an adapter; `client` is owned by the caller, `base_url` is without `/v1`, as in the vendor's SDK."""
        self._client = client
        self._url = base_url.rstrip("/") + "/v1/messages"
        self._headers = {"x-api-key": key, "anthropic-version": _VERSION}

    async def chat(self, request: ChatRequest, on_text: Callable[[str], None] | None = None) -> ChatReply:
        """Ask once; see Provider. A temperature over 1 is sent as 1, the API's most; it has no log-probabilities."""
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
        if on_text is None:
            return _reply(await post_json(self._client, self._url, self._headers, body))
        pieces = Pieces(on_text)
        events = _Events(pieces)
        whole = await post_for_events(self._client, self._url, self._headers, {**body, "stream": True}, events.take)
        if whole is None:
            return events.reply()
        reply = _reply(decode(whole))
        pieces.add_all(reply.text)
        return reply


class _Events:
    """The events of one answer, and what they make."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._usage: dict[str, Any] = {}
        self._stop_reason: Any = None
        self._stopped = False

    def take(self, event: Event) -> Heard:
        """Take one event and tell how much of the answer is there."""
        if event.data:
            message = decode(event.data)
            if failure := error_of(event.name, message):
                raise failure
            try:
                self._read(message)
            except _MISSHAPEN as error:
                raise CallError("bad_response", "the answer is no message", worked=True) from error
        if self._stopped:
            return Heard.ALL
        return Heard.TEXT if self._stop_reason else Heard.PART

    def _read(self, event: Any) -> None:
        kind = event["type"]
        if kind == "content_block_delta":
            if event["delta"]["type"] == "text_delta":
                self._pieces.add(str.__str__(event["delta"]["text"]))
        elif kind == "content_block_start":
            if event["content_block"]["type"] == "text":
                self._pieces.add(str.__str__(event["content_block"].get("text") or ""))
        elif kind == "message_start":
            self._count(event["message"].get("usage"))
        elif kind == "message_delta":
            self._count(event.get("usage"))
            self._stop_reason = event["delta"].get("stop_reason") or self._stop_reason
        elif kind == "message_stop":
            self._stopped = True

    def _count(self, usage: Any) -> None:
        # Counts are totals; the later one holds.
        self._usage.update({name: value for name, value in (usage or {}).items() if value is not None})

    def reply(self) -> ChatReply:
        """Return the reply, once there are no more events.

        Raises:
            CallError: its end is missing.
        """
        if not self._stopped and not self._stop_reason:
            raise cut()
        return ChatReply(self._pieces.text(), _finish(self._stop_reason), *_counts(self._usage))


def _reply(answer: Any) -> ChatReply:
    try:
        text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
        counts = _counts(answer.get("usage") or {})
        finish = _finish(answer.get("stop_reason"))
    except _MISSHAPEN as error:
        raise CallError("bad_response", "the answer is no message", worked=True) from error
    return ChatReply(text, finish, *counts)


def _counts(usage: Any) -> tuple[int | None, int | None]:
    """Return the tokens read and written; what came from the vendor's cache, or went there, was read too."""
    prompt = count(usage.get("input_tokens"))
    if prompt is not None:
        prompt += sum(count(usage.get(f"cache_{way}_input_tokens")) or 0 for way in ("read", "creation"))
    return prompt, count(usage.get("output_tokens"))


def _finish(reason: object) -> str:
    return "length" if reason in _CUT else "stop"
