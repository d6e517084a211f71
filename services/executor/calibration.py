"""A fitted calibration: from who says what to the chance that it is right.

Questions are of a few classes, from easy to hard, and within a class models err independently (latent classes:
Lazarsfeld 1950; Dawid & Skene 1979). So models that agree on what all of them find easy prove little more than one of
them does. Two wrong answers may still be the same one, and more often within a family. What the classes say is then
scaled on other questions than they were fitted to (Platt 1999), together with how long the answers are: models write
more where they struggle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from chassis import fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from executor.agreement import Clusters
    from executor.reply import Reply

VERSION: Final = 1
#: What no evidence makes more certain, in natural logarithms of the odds.
_MOST_ODDS: Final = 9.0
_MOST_DEVIATIONS: Final = 3.0


class CalibrationError(ValueError):
    """A calibration file can't be used."""


@dataclass(frozen=True)
class Witness:
    """What was recorded of one model on one kind of task."""

    #: Chance of a right answer in each class of questions, 0..1.
    right: tuple[float, ...]
    #: Mean and standard deviation of the natural logarithm of its answers' lengths in characters.
    length: tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """What was recorded of one kind of task."""

    #: Share of the questions that are of each class.
    classes: tuple[float, ...]
    witnesses: Mapping[str, Witness]
    #: Chance that two wrong answers are the same one.
    coincide: float
    #: How much likelier that is, as odds, for two models of one family.
    kin: float
    #: Kind of answer → natural logarithm of how much commoner it is among right answers than among wrong ones.
    types: Mapping[str, float]
    #: What its answers are better, or worse, than the scale says: natural logarithm of the odds.
    bias: float = 0.0

    def covers(self, replies: Sequence[Reply]) -> bool:
        """Tell whether such answers were recorded: of these models, each once, and of these kinds.

        Two samples of one model are no two witnesses, and what they are was not recorded.
        """
        models = {reply.model.id for reply in replies}
        known = models <= self.witnesses.keys() and all(reply.answer.kind in self.types for reply in replies)
        return bool(replies) and known and len(models) == len(replies)

    def terms(self, groups: Sequence[Sequence[Reply]]) -> list[tuple[float, float]]:
        """Return what a scale is applied to, for each group of answers that say the same.

        Its odds of being right, against another group or none being it, as natural logarithm; and how much longer than
        usual all answers are, in standard deviations.
        """
        replies = [reply for group in groups for reply in group]
        deviation = sum(_deviation(self, reply) for reply in replies) / len(replies)
        return [(odds, deviation) for odds in _log_odds(self, groups)]


@dataclass(frozen=True)
class Scale:
    """From what the classes say to a calibrated chance: a logistic function of three terms."""

    bias: float
    evidence: float
    length: float

    def chance(self, odds: float, deviation: float, bias: float = 0.0) -> float:
        """Return the calibrated chance of an answer; see Kind."""
        return 1 / (1 + math.exp(-(self.bias + bias + self.evidence * odds + self.length * deviation)))


@dataclass(frozen=True)
class Calibration:
    """All kinds of tasks that were recorded."""

    #: `cal-` and 16 hex digits of its content's SHA-256.
    id: str
    scale: Scale
    kinds: Mapping[str, Kind]

    def weigh(self, kind: str, clusters: Clusters) -> Clusters:
        """Order groups by their chance of being right, and say what it is; unchanged outside of what was recorded."""
        known = self.kinds.get(kind)
        replies = [reply for group in clusters.groups for reply in group]
        if known is None or not known.covers(replies):
            return clusters
        chances = [self.scale.chance(*terms, known.bias) for terms in known.terms(clusters.groups)]
        order = sorted(range(len(chances)), key=lambda place: -chances[place])
        return replace(
            clusters,
            groups=tuple(clusters.groups[place] for place in order),
            chances=tuple(chances[place] for place in order),
            calibration=self.id,
        )


def _deviation(kind: Kind, reply: Reply) -> float:
    """Return how much longer than usual an answer is, in standard deviations."""
    mean, spread = kind.witnesses[reply.model.id].length
    return max(-_MOST_DEVIATIONS, min(_MOST_DEVIATIONS, (math.log1p(len(reply.text)) - mean) / spread))


def _log_odds(kind: Kind, groups: Sequence[Sequence[Reply]]) -> list[float]:
    """Return each group's odds of being right against all else: another group, or none of them."""
    weights = [_likelihood(kind, groups, place) for place in range(len(groups))]
    weights.append(_likelihood(kind, groups, None))
    most = max(weights)
    shares = [math.exp(weight - most) for weight in weights]
    total = sum(shares)
    return [_logit(share / total) for share in shares[:-1]]


def _logit(chance: float) -> float:
    least = math.exp(-_MOST_ODDS)
    return math.log(max(chance, least)) - math.log(max(1 - chance, least))


def _likelihood(kind: Kind, groups: Sequence[Sequence[Reply]], right: int | None) -> float:
    """Return the logarithm of how likely all answers are if one group is right, or none is."""
    classes = [math.log(share) for share in kind.classes]
    for place, group in enumerate(groups):
        for reply in group:
            for level, chance in enumerate(kind.witnesses[reply.model.id].right):
                classes[level] += math.log(chance if place == right else 1 - chance)
    most = max(classes)
    told = most + math.log(sum(math.exp(value - most) for value in classes))
    if right is not None:
        told += sum(kind.types[reply.answer.kind] for reply in groups[right]) / len(groups[right])
    return told + _coincidence(kind, [group for place, group in enumerate(groups) if place != right])


def _coincidence(kind: Kind, wrong: Sequence[Sequence[Reply]]) -> float:
    """Return the logarithm of how likely wrong answers fall into these groups, one after another joining or not.

    A Chinese restaurant whose guests prefer tables with relatives.
    """
    apart = (1 - kind.coincide) / kind.coincide
    told, seated = 0.0, list[tuple[int, str]]()
    for place, group in enumerate(wrong):
        for reply in group:
            family = reply.model.family
            pull = [(at, kind.kin if other == family else 1.0) for at, other in seated]
            here = sum(weight for at, weight in pull if at == place)
            told += math.log((here or apart) / (apart + sum(weight for _, weight in pull))) if seated else 0.0
            seated.append((place, family))
    return told


_FORM: Final = fitted.Form("executor", "calibration", "calibration", "cal", VERSION, CalibrationError)


def identify(content: Mapping[str, Any]) -> str:
    """Return the id of a calibration's content."""
    return _FORM.identify(content)


def load(path: Path | None = None) -> Calibration:
    """Read a calibration: the one that ships with this package, or the `calibration` of a user's own file.

    Raises:
        CalibrationError: it can't be read, is of another version, or is not what was written.
    """
    return _FORM.load(path, _read)


def _read(content: Mapping[str, Any]) -> Calibration:
    return Calibration(
        id=content["id"],
        scale=Scale(**content["scale"]),
        kinds={name: _read_kind(kind) for name, kind in content["kinds"].items()},
    )


def _read_kind(kind: Mapping[str, Any]) -> Kind:
    witnesses = {
        model: Witness(
            tuple(_chance(value) for value in told["right"]), (told["length"][0], _above_0(told["length"][1]))
        )
        for model, told in kind["models"].items()
    }
    classes = tuple(_chance(share) for share in kind["classes"])
    if any(len(witness.right) != len(classes) for witness in witnesses.values()):
        raise ValueError("a model has a chance in each class")
    return Kind(classes, witnesses, _chance(kind["coincide"]), _above_0(kind["kin"]), dict(kind["types"]), kind["bias"])


def _chance(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError("a chance is in 0..1")
    return min(float(value), 1 - 1e-9)


def _above_0(value: float) -> float:
    if not value > 0:
        raise ValueError("must be above 0")
    return float(value)
