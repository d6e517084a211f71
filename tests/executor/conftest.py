"""A laboratory: scripted models, a clock that only waiting moves, and a real Run between them."""

from __future__ import annotations

import asyncio
import re
import selectors
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.spans import Spans
from chassis.telemetry import Tracing
from executor.breaker import Breakers
from executor.budget import Ledger
from executor.chat import CallError, ChatReply, ChatRequest, Message
from executor.edges import Edges
from executor.hedging import Hedges
from executor.plan import Model, Plan
from executor.run import Run, Task

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from executor.chat import Provider
    from executor.stages import Stage

OnText: TypeAlias = "Callable[[str], None] | None"
Behaviour: TypeAlias = Callable[[ChatRequest, OnText], Coroutine[Any, Any, ChatReply]]
Script: TypeAlias = Mapping[str, Sequence[Behaviour]]
T = TypeVar("T")

QUESTION = (Message("user", "What is the capital of France?"),)


class Clock:
    """Monotonic seconds that pass only while every task waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: moves the clock to the next timer instead."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("every task waits for something that no timer ends: a hang")
        self._clock.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        super().__init__(_Selector(clock))
        self._virtual = clock

    def time(self) -> float:
        return self._virtual()


class Scripted:
    """A provider whose models do, call by call, what a script says; the last behaviour is repeated."""

    def __init__(self, script: Script) -> None:
        self._script = {model: list(behaviours) for model, behaviours in script.items()}
        self.asked: list[ChatRequest] = []
        #: Calls under way.
        self.running = 0

    async def chat(self, request: ChatRequest, on_text: OnText = None) -> ChatReply:
        behaviours = self._script[request.model]
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        self.asked.append(request)
        self.running += 1
        try:
            return await behaviour(request, on_text)
        finally:
            self.running -= 1


class Watcher:
    """Keeps what an observer is told."""

    def __init__(self) -> None:
        self.listens = False
        self.started_stages: list[int] = []
        self.completed_stages: list[tuple[int, str]] = []
        self.plans: list[Plan] = []
        self.pieces: list[str] = []

    def planned(self, plan: Plan) -> None:
        self.plans.append(plan)

    def said(self, text: str) -> None:
        self.pieces.append(text)

    def started(self, stage: Stage) -> None:
        assert stage.status == "running"
        assert stage.span_id
        self.started_stages.append(stage.index)

    def completed(self, stage: Stage) -> None:
        self.completed_stages.append((stage.index, stage.status))


@dataclass
class World:
    """One process: its clock, its breakers, its models. `do` runs a coroutine in it until it ends."""

    provider: Scripted
    exporter: InMemorySpanExporter
    spans: Spans
    seed: int = 0
    clock: Clock = field(default_factory=Clock)
    watcher: Watcher = field(default_factory=Watcher)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.clock)
        self.hedges = Hedges()
        self.edges = Edges(
            self._provider_of,
            self.breakers,
            self.hedges,
            self.spans,
            self.clock,
            Random(self.seed),  # noqa: S311 - a test's dice
        )

    def _provider_of(self, _model: Model) -> Provider:
        return self.provider

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=lambda: _Loop(self.clock)) as runner:
            return runner.run(work)

    def run(self, task: Task, deadline_s: float = 60.0, max_cost: int | None = None) -> Run:
        return Run(task, self.edges, Ledger(max_cost), self.clock(), self.clock() + deadline_s, self.watcher)

    @property
    def asked(self) -> list[str]:
        """Models in the order of their calls."""
        return [request.model for request in self.provider.asked]

    def break_open(self, *models: str) -> None:
        for model in models:
            while self.breakers.admits(model):
                self.breakers.failed(model, "unavailable")

    def finished_spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


class Lab:
    """Makes the parts of a test."""

    question = QUESTION

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._spans = Spans(Tracing.to(SimpleSpanProcessor(self._exporter)))

    def world(self, script: Script, seed: int = 0) -> World:
        self._exporter.clear()
        return World(Scripted(script), self._exporter, self._spans, seed)

    def model(self, name: str, **changes: Any) -> Model:
        """A model of quality 0.8 that costs 2 pico-USD a token of the prompt and 10 a token of the answer."""
        usual = Model(name, f"provider-{name}", name, name, 100_000, input_price=2, output_price=10, quality=0.8)
        return replace(usual, **changes)

    def models(self, names: Iterable[str]) -> tuple[Model, ...]:
        """One model a letter, `a` the best, each a little worse than the one before it."""
        return tuple(self.model(name, quality=0.8 - (ord(name) - ord("a")) / 100) for name in names)

    def plan(
        self,
        proposers: str = "a",
        synthesizers: str = "",
        fallbacks: str = "",
        strategy: str = "single",
        judges: str = "",
        **changes: Any,
    ) -> Plan:
        asked, writers, stand_ins = (self.models(names) for names in (proposers, synthesizers, fallbacks))
        k = len(proposers)
        usual = Plan(
            "balanced", strategy, False, "because", "general", (), 0.72, k, asked, writers, stand_ins,
            self.models(judges), {},
        )  # fmt: skip
        return replace(usual, **changes)

    def task(self, plan: Plan | None = None, *, max_tokens: int = 100, temperature: float = 0.7) -> Task:
        return Task(plan or self.plan(), QUESTION, max_tokens, temperature)

    def moa(self, proposers: str = "abc", synthesizers: str = "xy", fallbacks: str = "f") -> Task:
        return self.task(self.plan(proposers, synthesizers, fallbacks, "ensemble_moa"))

    def says(
        self,
        text: str,
        prompt: Any = 20,
        completion: Any = 5,
        finish: str = "stop",
        after_s: float = 0.0,
        logprob: float | None = None,
    ) -> Behaviour:
        """Answer, word by word to who wants pieces."""

        async def behave(_request: ChatRequest, on_text: OnText) -> ChatReply:
            await asyncio.sleep(after_s)
            if on_text is not None:
                for piece in re.findall(r"\s*\S+|\s+$", text):
                    on_text(piece)
            return ChatReply(text, finish, prompt, completion, logprob)

        return behave

    def writes(self, *pieces: str, every_s: float, then: CallError | None = None) -> Behaviour:
        """Write piece by piece, a pause before each; then end, or fail."""

        async def behave(_request: ChatRequest, on_text: OnText) -> ChatReply:
            for piece in pieces:
                await asyncio.sleep(every_s)
                if on_text:
                    on_text(piece)
            if then is not None:
                raise then
            return ChatReply("".join(pieces), "stop", 20, 5)

        return behave

    def fails(self, reason: str = "unavailable", *, after_s: float = 0.0, **details: Any) -> Behaviour:
        """Fail with a CallError."""

        async def behave(_request: ChatRequest, _on_text: OnText) -> ChatReply:
            await asyncio.sleep(after_s)
            raise CallError(reason, f"scripted {reason}", **details)

        return behave

    def hangs(self) -> Behaviour:
        """Wait until cancelled."""

        async def behave(_request: ChatRequest, _on_text: OnText) -> ChatReply:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets this event")

        return behave

    def breaks(self, error: BaseException) -> Behaviour:
        """Raise what no provider should."""

        async def behave(_request: ChatRequest, _on_text: OnText) -> ChatReply:
            raise error

        return behave


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()
