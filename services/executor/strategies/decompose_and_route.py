"""decompose_and_route: a task is split into parts, each part goes to who serves it best, and one model writes it up.

LLMCompiler (arXiv 2312.04511): the parts are a graph, and each starts as soon as those that it needs are done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from executor import confidence, dag, prompts
from executor.reply import AllFailedError, Reply
from executor.strategies.answer import Answer
from executor.strategies.single import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.dag import Node
    from executor.run import Run


#: Plans that are asked for: the first, and one more when it can't be used.
_TRIES: Final = 2
#: Parts of the remaining time that a plan, and each part, may take.
_PLAN_SHARE: Final = 0.3
_PART_SHARE: Final = 0.5


async def decompose_and_route(run: Run) -> Answer:
    """Answer part by part.

    Raises:
        AllFailedError: nobody answered.
        BrokenOffError: the writer broke off after its first words.
    """
    # 1. Split the task. Without a plan, or with one of a single part, one model answers all of it.
    nodes, planned_by = await _decompose(run)
    if len(nodes) <= 1:
        return await single(run)

    # 2. Work on the parts, each as soon as it can begin.
    replies = await _solve(run, nodes, planned_by)
    solved = [reply for reply in replies if reply is not None]
    if not solved:
        run.degrade("solve", "all_failed", "", "one model was asked for all of it")
        return await single(run)

    # 3. Write the answer from theirs. It is as sure as its weakest part.
    sureness = confidence.assess(min(reply.model.quality for reply in solved))
    parts = [(node.task, reply.text if reply else None) for node, reply in zip(nodes, replies, strict=True)]
    try:
        written = await run.ask_any(
            "synthesize",
            run.task.plan.synthesizers,
            prompts.synthesize(run.task.messages, parts),
            depends_on=tuple(sorted(reply.stage for reply in solved)),
            speech=run.speech(),
        )
    except AllFailedError as error:
        # 4. Nobody wrote it up: the parts' answers, in their order, are an answer.
        for model, failure in error.failures:
            run.degrade("synthesize", failure.reason, model.id, "returned the parts' answers one after another")
        finish = "length" if any(reply.finish_reason == "length" for reply in solved) else "stop"
        return Answer("\n\n".join(reply.text for reply in solved), finish, sureness)
    return Answer(written.text, written.finish_reason, sureness, aggregator=written.model.id)


async def _decompose(run: Run) -> tuple[tuple[Node, ...], int]:
    """Return the parts and the stage that named them; no parts, and a degradation, when there is no usable plan."""
    plan = run.task.plan
    # Room for the parts' own calls and the writer's.
    most = min(dag.MAX_NODES, run.calls_left() - _TRIES - 1)
    asked = prompts.decompose(run.task.messages, tuple(plan.routes), most)
    depends_on: tuple[int, ...] = ()
    for _ in range(_TRIES):
        try:
            reply = await run.ask_any(
                "decompose", plan.synthesizers, asked, share=_PLAN_SHARE, depends_on=depends_on, temperature=0.0
            )
        except AllFailedError as error:
            for planner, reason in [(model.id, it.reason) for model, it in error.failures] or [("", "unavailable")]:
                run.degrade("decompose", reason, planner, "one model was asked for all of it")
            return (), 0
        try:
            return dag.read(reply.text), reply.stage
        except dag.DagError as error:
            asked = prompts.decompose_again(asked, reply.text, str(error))
            depends_on = (reply.stage,)
    run.degrade("decompose", "bad_response", reply.model.id, "one model was asked for all of it")
    return (), 0


async def _solve(run: Run, nodes: Sequence[Node], planned_by: int) -> list[Reply | None]:
    """Return each part's answer in order, None for a part that has none; `nodes` stand behind those that they need."""
    tasks: dict[str, asyncio.Task[Reply | None]] = {}

    async def work(node: Node) -> Reply | None:
        needed = {need: await tasks[need] for need in node.needs}
        known = {need: reply.text if reply else "(no answer)" for need, reply in needed.items()}
        routes = run.task.plan.routes
        models = routes.get(node.capability) or routes.get(run.task.plan.task) or run.task.plan.proposers
        stages = (planned_by, *(reply.stage for reply in needed.values() if reply))
        try:
            return await run.ask_any("solve", models, prompts.solve(node, known), share=_PART_SHARE, depends_on=stages)
        except AllFailedError as error:
            for model, failure in error.failures:
                run.degrade("solve", failure.reason, model.id, "went on without this part")
            return None

    try:
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                tasks[node.id] = group.create_task(work(node))
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None
    return [tasks[node.id].result() for node in nodes]
