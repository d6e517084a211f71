"""Chat completions, as OpenAI and all who follow it speak them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from executor.chat import CallError, ChatReply, ChatRequest
from executor.providers.figures import MeanLogprob, count
from executor.providers.http import Heard, decode, post_for_events, post_json
from executor.providers.pieces import Pieces
from executor.providers.refusals import cut, error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from executor.providers.sse import Event

#: Vendors' finish reasons that mean that the text is cut, and would be again: by the limit, or by a filter, which
#: leaves out what it flags (OpenAI) or stops there (Azure). Tuples, because what came may not be hashable.
_CUT: Final = ("length", "max_tokens", "model_length", "content_filter")
#: … that the server's own trouble broke it off: DeepSeek's machines are short of something; Mistral, OpenRouter and
#: vLLM say `error`; vLLM and SGLang say `abort` when they drop a request.
_BROKEN: Final = ("insufficient_system_resource", "error", "abort")
#: What reading JSON of an unexpected shape raises.
_MISSHAPEN: Final = (KeyError, IndexError, TypeError, AttributeError)


class OpenAICompatible:
    """One server with `POST {base_url}/chat/completions`."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        base_url: str,
        key: str | None,
        limit_field: str = "max_tokens",
        *,
        asks_usage: bool = True,
    ) -> None:
        """Make an adapter.

        Args:
            client: owned by the caller.
            base_url: up to and including `/v1`, as in the vendor's SDK.
            key: sent as bearer token.
            limit_field: the vendor's name for the limit of an answer.
            asks_usage: a stream tells its usage only to those who ask; a vendor that always tells it may refuse to be
                asked.
        """
        self._client = client
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._limit_field = limit_field
        self._stream: dict[str, Any] = {"stream": True}
        if asks_usage:
            self._stream["stream_options"] = {"include_usage": True}

    async def chat(self, request: ChatRequest, on_text: Callable[[str], None] | None = None) -> ChatReply:
        """Ask once; see Provider."""
        body = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "temperature": request.temperature,
            self._limit_field: request.max_tokens,
        }
        if request.logprobs:
            body["logprobs"] = True
        if on_text is None:
            return _reply(await post_json(self._client, self._url, self._headers, body), request)
        pieces = Pieces(on_text)
        chunks = _Chunks(pieces, request)
        whole = await post_for_events(self._client, self._url, self._headers, {**body, **self._stream}, chunks.take)
        if whole is None:
            return chunks.reply()
        reply = _reply(decode(whole), request)
        pieces.add_all(reply.text)
        return reply


class _Chunks:
    """The chunks of one answer, and what they make."""

    def __init__(self, pieces: Pieces, request: ChatRequest) -> None:
        self._pieces = pieces
        self._logprob = MeanLogprob()
        self._wants_logprobs = request.logprobs
        self._counts: tuple[int | None, int | None] = (None, None)
        self._finish: Any = None
        self._done = False

    def take(self, event: Event) -> Heard:
        """Take one event and tell how much of the answer is there."""
        if event.data.startswith(b"[DONE]"):
            self._done = True
            return Heard.ALL
        if event.data:
            chunk = decode(event.data)
            if failure := error_of(event.name, chunk):
                raise failure
            try:
                self._read(chunk)
            except _MISSHAPEN as error:
                raise CallError("bad_response", "the answer is no chat completion", worked=True) from error
        return Heard.TEXT if self._finish else Heard.PART

    def _read(self, chunk: Any) -> None:
        if usage := chunk.get("usage"):  # null until the last chunk, or a running total in each
            self._counts = _counts(usage)
        choices = chunk.get("choices")
        if not choices:  # the chunk of the usage, or one of a vendor's own
            return
        choice = choices[0]
        delta = choice.get("delta") or {}
        if piece := _text(delta.get("content")) or _text(delta.get("refusal")):
            self._pieces.add(piece)
        if self._wants_logprobs:
            self._logprob.add(choice.get("logprobs"))
        self._finish = choice.get("finish_reason") or self._finish

    def reply(self) -> ChatReply:
        """Return the reply, once there are no more events.

        Raises:
            CallError: its end is missing.
        """
        if not self._done and not self._finish:
            raise cut()
        return ChatReply(self._pieces.text(), _finish(self._finish), *self._counts, self._logprob.mean())


def _reply(answer: Any, request: ChatRequest) -> ChatReply:
    logprob = MeanLogprob()
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = message["content"]
        # Without content, it is a refusal, or a limit spent on hidden reasoning.
        text = _text(message.get("refusal") if content is None else content)
        if request.logprobs:
            logprob.add(choice.get("logprobs"))
        finish, counts = _finish(choice.get("finish_reason")), _counts(answer.get("usage") or {})
    except _MISSHAPEN as error:
        raise CallError("bad_response", "the answer is no chat completion", worked=True) from error
    return ChatReply(text, finish, *counts, logprob.mean())


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, list):  # Mistral's parts; what is no text is the model's thinking
        content = "".join(part["text"] for part in content if part["type"] == "text")
    return str.__str__(content)


def _counts(usage: Any) -> tuple[int | None, int | None]:
    return count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))


def _finish(reason: object) -> str:
    if reason in _BROKEN:
        raise cut()
    return "length" if reason in _CUT else "stop"
