"""Which answers say the same, and how large the largest group is."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import agreement, answers
from executor.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.conftest import Lab

BLUE_SKY = (
    "The sky looks blue because air scatters short blue wavelengths of sunlight more than red ones. This is called "
    "Rayleigh scattering and depends on the fourth power of the frequency of the light."
)
OTHER_BLUE_SKY = (
    "Rayleigh scattering: molecules of air scatter blue light, of short wavelength, far more strongly than red "
    "light, since the scattering grows with the fourth power of frequency. So the sky appears blue."
)
SAME = [
    # numbers
    ("391", "391"),
    ("391", "The answer is 391."),
    ("391", "17 * 23 = 391"),
    ("**391**", "Final answer: 391"),
    ("391", "First, 17 * 20 = 340. Then 17 * 3 = 51. In total: 391"),
    ("1,000", "1000"),
    ("$1,000.00", "1000"),
    ("$1,000", "The result is **1000** dollars."),
    ("50%", "0.5"),
    ("1/2", "0.5"),
    ("-3", "The solution is -3."),
    ("\\boxed{42}", "42"),
    ("World War II ended in 1945.", "1945"),
    # yes and no
    ("Yes", "Yes, it is."),
    ("No", "No, because 91 = 7 * 13."),
    ("yes.", "**Yes**, every square is a rectangle."),
    ("True", "The answer is true."),
    # choices
    ("B", "(B)"),
    ("b)", "The answer is B."),
    ("B", "B) Paris"),
    ("A", "A) London"),
    ("The answer is A) London", "A"),
    ("Answer: C", "It can't be A or B.\nC"),
    # words
    ("Paris", "The capital of France is Paris."),
    ("Paris", "**Paris**."),
    ("Canberra", "The capital of Australia is Canberra, not Sydney."),
    ("William Shakespeare", "Hamlet was written by William Shakespeare."),
    ("Au", "The chemical symbol of gold is Au."),
    ("東京", "東京"),
    ("Größe", "GRÖSSE".replace("SS", "ß").capitalize()),
    (
        "Photosynthesis lets plants turn sunlight, water and carbon dioxide into sugar and oxygen.",
        "Plants use photosynthesis: with sunlight they make sugar from water and carbon dioxide and release oxygen.",
    ),
    (
        BLUE_SKY,
        OTHER_BLUE_SKY,
    ),
    ("def add(a, b):\n    return a + b", "```python\ndef add(a, b):\n    return a + b\n```"),
]

DIFFERENT = [
    ("1945", "1918"),
    ("World War II ended in 1945.", "World War II ended in 1918."),
    ("World War II ended in 1945.", "1918"),
    ("391", "The answer is 381."),
    ("17 * 23 = 391", "17 * 23 = 381"),
    ("1,000", "10000"),
    ("50%", "50"),
    ("50%", "5"),
    ("1/2", "0.25"),
    ("3", "-3"),
    ("\\boxed{42}", "\\boxed{43}"),
    ("Yes", "No"),
    ("Yes, it is.", "No, it is not."),
    ("Yes", "The answer is no."),
    ("True", "False"),
    ("yes, the sum of two odd numbers is even", "no, the sum of two odd numbers is even"),
    ("A", "B"),
    ("(A)", "The answer is B."),
    ("A) London", "B) Paris"),
    ("A", "B) Paris"),
    ("Canberra", "Sydney"),
    ("The capital of Australia is Canberra.", "The capital of Australia is Sydney."),
    ("Paris", "The capital of France is Lyon."),
    ("Hamlet was written by William Shakespeare.", "Hamlet was written by Christopher Marlowe."),
    ("東京", "大阪"),
    ("Au", "Ag"),
    (
        "Photosynthesis lets plants turn sunlight, water and carbon dioxide into sugar and oxygen.",
        "Mitochondria are the organelles in which cells burn nutrients to make adenosine triphosphate.",
    ),
    ("", "Paris"),
    ("\U0001f44d", "\U0001f44e"),
    ("{}", "[]"),
]


def says_the_same(left: str, right: str) -> bool:
    one, other = answers.read(left), answers.read(right)
    assert agreement.same(one, other) == agreement.same(other, one)
    return agreement.same(one, other)


@pytest.mark.parametrize(("left", "right"), SAME)
def test_these_say_the_same(left: str, right: str) -> None:
    assert says_the_same(left, right)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_these_do_not(left: str, right: str) -> None:
    assert not says_the_same(left, right)


@pytest.mark.parametrize("text", sorted({text for pair in SAME + DIFFERENT for text in pair}))
def test_every_answer_agrees_with_itself(text: str) -> None:
    assert says_the_same(text, text)


def replies(lab: Lab, *texts: str, qualities: Iterable[float] = ()) -> list[Reply]:
    known = dict(zip(count(), qualities))
    return [
        Reply(text, "stop", lab.model("m", quality=known.get(index, 0.5)), index) for index, text in enumerate(texts)
    ]


def groups_of(found: list[list[Reply]]) -> list[list[str]]:
    return [[reply.text for reply in group] for group in found]


def test_the_heaviest_group_is_first_and_its_best_reply_first(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, "Rome", "Paris", "It is Paris.", qualities=[0.9, 0.6, 0.7]))
    assert groups_of(found) == [["It is Paris.", "Paris"], ["Rome"]]


def test_one_good_model_outweighs_two_bad_ones(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, "Rome", "Rome", "Paris", qualities=[0.2, 0.2, 0.9]))
    assert groups_of(found) == [["Paris"], ["Rome", "Rome"]]
    assert agreement.share(found) == pytest.approx(0.9 / 1.3)


def test_one_answer_agrees_with_nobody(lab: Lab) -> None:
    assert agreement.share(agreement.cluster(replies(lab, "Paris"))) is None
    assert agreement.share([]) is None


def test_all_the_same_agree_fully_and_all_different_by_one_part(lab: Lab) -> None:
    assert agreement.share(agreement.cluster(replies(lab, "Paris", "It's Paris.", "paris"))) == 1.0
    assert agreement.share(agreement.cluster(replies(lab, "Paris", "Rome", "Oslo"))) == pytest.approx(1 / 3)


def test_models_without_a_known_quality_count_alike(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, "Paris", "Rome", "Paris", qualities=[0.0, 0.0, 0.0]))
    assert agreement.share(found) == pytest.approx(2 / 3)


TEXTS = st.lists(
    st.tuples(st.sampled_from([text for pair in SAME + DIFFERENT for text in pair]) | st.text(), st.floats(0, 1)),
    min_size=2,
    max_size=8,
)


@settings(deadline=None)
@given(answered=TEXTS, seed=st.integers(0, 100))
def test_agreement_lies_between_one_part_and_all_and_does_not_depend_on_order(
    lab: Lab, answered: list[tuple[str, float]], seed: int
) -> None:
    given_replies = replies(lab, *(text for text, _ in answered), qualities=[quality for _, quality in answered])
    found = agreement.cluster(given_replies)
    assert sorted(reply.stage for group in found for reply in group) == list(range(len(answered)))
    shared = agreement.share(found)
    assert shared is not None
    assert 1 / len(answered) - 1e-9 <= shared <= 1
    shuffled = Random(seed).sample(given_replies, len(given_replies))  # noqa: S311 - a test's dice
    assert agreement.cluster(shuffled) == found
