"""debate: agents answer, see each other's answers, and keep or change their own (arXiv 2305.14325).

The rounds are skipped when the first answers agree (2504.05047), and an agent changes its answer only with a reason,
since without one a debate is no more than its first vote (2508.17536). A vote ends it, and a judge breaks a tie.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from executor import prompts
from executor.gather import gather
from executor.readings import stance, verdict
from executor.reply import AllFailedError, Reply
from executor.strategies.answer import Answer, alone, chosen, note_dissent, whole_of
from executor.strategies.propose import propose, tell_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.agreement import Clusters
    from executor.run import Run

_ROUNDS: Final = 3
#: Part of the remaining time that a round may take: others and a judge come after it.
_ROUND_SHARE: Final = 0.4
#: Two groups are a tie when their shares of the weight are no further apart.
_TIE: Final = 0.1


async def debate(run: Run) -> Answer:
    """Answer by arguing.

    Raises:
        AllFailedError: no agent answered, and no stand-in did.
    """
    # 1. First answers in parallel, each agent on its own.
    positions = await propose(run, "propose", run.task.plan.proposers, _ROUND_SHARE)
    if len(positions) == 1:
        return alone(run, positions[0])
    clusters = await run.compare(positions)

    # 2. Argue until all agree, nobody changes its answer, or the rounds are over.
    for _ in range(1, _ROUNDS):
        if len(clusters.groups) == 1:
            break
        # A round in which only some can speak is unfair, and its calls are the judge's.
        if run.calls_left() < len(positions):
            run.degrade("debate", "call_limit", "", "ended the debate and voted")
            break
        argued = await _argue(run, positions)
        if argued == positions:
            break
        positions = argued
        clusters = await run.compare(positions)

    # 3. Vote by quality; the judge breaks a tie. One verdict in one order is a coin with a lean: it adds no confidence.
    tied = _tied(clusters)
    choice = await _break_tie(run, tied) if len(tied) > 1 else None
    note_dissent(run, clusters, choice)
    return chosen(choice or whole_of(clusters.groups[0]), clusters)


async def _argue(run: Run, positions: Sequence[Reply]) -> list[Reply]:
    """Let every agent see the others' answers, and return where each one stands now."""
    models = [position.model for position in positions]
    sources = tuple(sorted(position.stage for position in positions))
    # In random order, so that no place speaks for an answer.
    others = [run.random.sample([o.text for o in positions if o is not own], len(positions) - 1) for own in positions]
    outcomes = await gather(
        [
            run.ask(
                "debate",
                own.model,
                prompts.debate(run.task.messages, own.text, shown),
                share=_ROUND_SHARE,
                depends_on=sources,
            )
            for own, shown in zip(positions, others, strict=True)
        ]
    )
    tell_missing(run, "debate", models, outcomes, "kept its earlier answer")
    return [
        _moved(run, own, outcome) if isinstance(outcome, Reply) else own
        for own, outcome in zip(positions, outcomes, strict=True)
    ]


def _moved(run: Run, own: Reply, said: Reply) -> Reply:
    decided = stance(said.text, cut=said.finish_reason == "length")
    answer = own.text.strip() if decided.answer is None else decided.answer
    if answer == own.text.strip():
        run.stages[said.stage].note = "kept its answer"
        return own
    run.stages[said.stage].note = "changed its answer"
    return replace(said, text=answer)


def _tied(clusters: Clusters) -> list[Sequence[Reply]]:
    """Return the groups that are as heavy as the heaviest one, or nearly."""
    shares = clusters.chances or [clusters.share_of(group[0]) or 0.0 for group in clusters.groups]
    return [group for group, share in zip(clusters.groups, shares, strict=True) if shares[0] - share <= _TIE]


async def _break_tie(run: Run, tied: Sequence[Sequence[Reply]]) -> Reply | None:
    """Have a judge choose among groups that don't say what it says itself; None when there is none, or no verdict."""
    partial = {reply.model.id for group in tied for reply in group}
    judges = [judge for judge in run.task.plan.judges if judge.id not in partial]
    shown = run.random.sample([whole_of(group) for group in tied], len(tied))
    question = prompts.choose(run.task.messages, [reply.text for reply in shown])
    sources = tuple(sorted(reply.stage for reply in shown))
    action = "the vote's heaviest answer was taken"
    try:
        said = await run.ask_any("judge", judges, question, depends_on=sources, temperature=0.0)
    except AllFailedError as error:
        for model, failure in error.failures:
            run.degrade("judge", failure.reason, model.id, action)
        if not error.failures:
            run.degrade("judge", "no_judge", "", action)
        return None
    choice = verdict(said.text, len(shown))
    if choice is None or choice < 0:
        run.degrade("judge", "bad_response", said.model.id, action)
        return None
    return shown[choice]
