"""One attempt at one model call, from admission to the settled stage."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from executor import costing, naming
from executor.chat import CallError, ChatRequest, Message
from executor.reply import Reply
from executor.stages import Stage

if TYPE_CHECKING:
    from executor.budget import Ledger
    from executor.edges import Edges, Observer, Span
    from executor.plan import Model
    from executor.speech import Speech, Voice

#: Model calls of one request, every attempt counted, whatever is asked.
MAX_CALLS: Final = 16
#: Of these, those that no second try and no part may take: a stand-in's, and the writer's.
KEPT_CALLS: Final = 2
MIN_CALL_S: Final = 0.01
#: Calls whose reply can be the final answer; all others only help to find or to write one.
_ANSWERS: Final = frozenset({"answer", "propose", "sample", "solve"})
#: Name → calls whose money such a call leaves to others. Fewer than two parts and a writer are no decomposition; parts
#: that nobody writes up are half an answer, and their writer, who reads them all, is as dear as two.
_LEAVES: Final = {"decompose": 3, "solve": 2}
#: A call that was given less time than this says nothing about its model's health when it is late.
_FAIR_S: Final = 5.0


@dataclass(frozen=True)
class Call:
    """What is asked, whoever is asked."""

    #: What it is for, as its stages show it.
    name: str
    messages: tuple[Message, ...]
    depends_on: tuple[int, ...]
    max_tokens: int
    temperature: float
    #: Ask for log-probabilities, if the model tells them.
    logprobs: bool = False
    #: The reply is the final answer, said as it is written.
    speech: Speech | None = None
    #: Call although the breaker is open.
    even_if_open: bool = False
    note: str = ""
    #: Span id of the attempt that this call hedges, if it does.
    hedges: tuple[str, ...] = ()


class Attempts:
    """The attempts of one run. Owns its stages; nobody else writes them."""

    def __init__(self, edges: Edges, ledger: Ledger, began: float, observer: Observer, simplest: Model | None) -> None:
        """Make an empty record; `began` is a time of the clock, `simplest` who can answer all alone."""
        self.stages: list[Stage] = []
        self._answered = False
        self._simplest = simplest
        self._edges = edges
        self._ledger = ledger
        self._began = began
        self._observer = observer

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the orchestration began."""
        return (self._edges.clock() - self._began) * 1e3

    async def make(self, model: Model, call: Call, number: int, until: float, voice: Voice | None) -> Reply:
        """Ask a model once, until a time of the clock.

        Args:
            model: who is asked.
            call: what is asked.
            number: 1 for the first try of this call.
            until: time of the clock.
            voice: says the answer as it comes.

        Raises:
            CallError: there is no answer.
        """
        seconds = until - self._edges.clock()
        worst = self._admit(model, call, seconds)
        request = ChatRequest(
            model.upstream, call.messages, call.max_tokens, call.temperature, call.logprobs and model.logprobs
        )
        stage = Stage(len(self.stages), call.name, model, number, call.depends_on, request, self.elapsed_ms())
        stage.note = call.note
        self.stages.append(stage)
        with self._edges.spans.start(*naming.attempt(stage), client=True, links=call.hedges) as span:
            stage.span_id = span.span_id
            self._observer.started(stage)
            try:
                return await self._chat(stage, seconds, voice)
            except TimeoutError as late:
                raise self._failed(stage, CallError("timeout", "no answer in time", worked=True), seconds) from late
            except CallError as error:
                raise self._failed(stage, error, seconds) from error.__cause__
            except asyncio.CancelledError:
                self._abandoned(stage, "cancelled", "cancelled", "the answer was not waited for")
                raise
            except Exception:
                self._abandoned(stage, "failed", "internal", "the call could not be made")
                raise
            finally:
                stage.duration_ms = self.elapsed_ms() - stage.start_ms
                self._ledger.settle(worst, stage.cost)
                self._describe(span, stage)
                self._observer.completed(stage)

    def _describe(self, span: Span, stage: Stage) -> None:
        span.lasted(stage.duration_ms)
        span.set(naming.ended(stage))
        if self._edges.traces_texts:
            span.set(naming.texts(stage))
        if stage.status != "ok":
            span.fail(stage.error_reason)

    def _admit(self, model: Model, call: Call, seconds: float) -> int:
        """Reserve what the call may cost and return it; no await stands between this and the call's stage."""
        if seconds < MIN_CALL_S:
            raise CallError("timeout", "no time was left for this call")
        if len(self.stages) >= MAX_CALLS - (KEPT_CALLS if call.name == "solve" else 0):
            raise CallError("call_limit", f"a request makes at most {MAX_CALLS} model calls")
        prompt = costing.prompt_tokens(call.messages)
        worst = costing.cost(model, prompt, call.max_tokens)
        needed = call.name in _ANSWERS and not self._answered
        # While there is no answer, a call that gives none must leave the money for one.
        leaves = _LEAVES.get(call.name, 0 if needed or self._answered else 1)
        keep = leaves * costing.cost(self._simplest, prompt, call.max_tokens) if self._simplest else 0
        if not self._ledger.reserve(worst, keep=keep, needed=needed):
            raise CallError("budget", "max_cost_usd leaves no room for this call")
        if not self._edges.breakers.admits(model.id) and not call.even_if_open:
            self._ledger.settle(worst, 0)
            raise CallError("circuit_open", "the model failed repeatedly and is being left alone")
        return worst

    async def _chat(self, stage: Stage, seconds: float, voice: Voice | None) -> Reply:
        """Make the call, and note when its first word came."""
        edges, model = self._edges, stage.model
        began = edges.clock()
        first: float | None = None
        pieces: list[str] = []

        def hear(piece: str) -> None:
            nonlocal first
            first = edges.clock() if first is None else first
            pieces.append(piece)
            if voice is not None:
                voice(piece)

        try:
            async with asyncio.timeout(seconds):
                reply = await edges.provider_of(model).chat(stage.request, hear if voice else None)
        except BaseException:
            stage.output = "".join(pieces)  # what a call has written before it ended is paid for
            raise
        costing.count(stage, reply)
        stage.status = "ok"
        self._answered = self._answered or stage.name in _ANSWERS
        edges.breakers.succeeded(model.id)
        wait_s = (edges.clock() if first is None else first) - began
        edges.hedges.observe(model.id, wait_s, streamed=voice is not None)
        return Reply(reply.text, reply.finish_reason, model, stage.index, reply.logprob)

    def _abandoned(self, stage: Stage, status: str, reason: str, message: str) -> None:
        """End a call by our own doing or fault, which says nothing about the model."""
        stage.status, stage.error_reason, stage.error_message = status, reason, message
        costing.guess(stage)
        self._edges.breakers.released(stage.model.id)

    def _failed(self, stage: Stage, error: CallError, seconds: float) -> CallError:
        stage.status = "failed"
        stage.error_reason, stage.error_message = error.reason, error.message
        if error.worked and not stage.prompt_tokens:
            costing.guess(stage)
        if error.reason == "timeout" and seconds < _FAIR_S:
            self._edges.breakers.released(stage.model.id)
        else:
            self._edges.breakers.failed(stage.model.id, error.reason)
        return error
