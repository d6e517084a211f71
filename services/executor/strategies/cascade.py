"""cascade: the cheapest capable model first, a stronger one only while the answer is not sure enough.

FrugalGPT (arXiv 2305.05176), with the answers of earlier rungs as evidence for or against the next one's
(AutoMix 2310.12963; consistency as confidence 2310.03094).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.chat import CallError
from executor.strategies.answer import Answer, alone, chosen, note_dissent, whole_of
from executor.strategies.propose import stand_in

if TYPE_CHECKING:
    from executor.plan import Model
    from executor.reply import Reply
    from executor.run import Run

#: Part of the remaining time that a rung may take while somebody may have to be asked after it.
_RUNG_SHARE: Final = 0.5


async def cascade(run: Run) -> Answer:
    """Answer with as few and as cheap models as the policy's bar allows.

    Raises:
        AllFailedError: no rung answered, and no stand-in did.
    """
    plan = run.task.plan
    answers: list[Reply] = []
    failures: list[tuple[Model, CallError]] = []
    answer: Answer | None = None
    for rung, model in enumerate(plan.proposers):
        above = plan.proposers[rung + 1 :]
        last = not above and (answer is not None or not plan.fallbacks)

        # 1. Ask the next stronger model; no budget for it ends the climb, any other failure leads to the next one.
        try:
            reply = await run.ask("answer", model, run.task.messages, share=1.0 if last else _RUNG_SHARE, logprobs=True)
        except CallError as error:
            failures.append((model, error))
            if error.reason == "budget" and answer is not None:
                run.degrade("answer", "budget", model.id, "stopped escalating and returned the best answer so far")
                break
            so_far = "returned the best answer so far" if answer else "asked a stand-in"
            run.degrade("answer", error.reason, model.id, f"went on to {above[0].id}" if above else so_far)
            continue
        answers.append(reply)

        # 2. Weigh the answer with all that came before it; stop when it clears the bar. One that the limit cut does
        # not, however sure: a stronger model may say it in fewer words.
        clusters = await run.compare(answers)
        best = whole_of(clusters.groups[0])
        answer = chosen(best, clusters)
        if answer.confidence.value >= plan.confidence_bar and best.finish_reason == "stop":
            break

    # 3. Note which answers dissent from the one that is returned.
    if answer is None:
        return alone(run, await stand_in(run, "answer", failures))
    note_dissent(run, clusters)
    return answer
