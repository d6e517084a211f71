"""Which answers say the same, and how large the largest group is."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import agreement, answers
from executor.agreement import Clusters, Measure
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
CHATTER = "Thank you for this good question, which people have asked for as long as they have looked up at it by day."
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
    ("50%", "50"),
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
    # units: another of the same dimension, or none
    ("5 km", "5000 m"),
    ("90 min", "It takes 1.5 hours."),
    ("5", "5 km"),
    ("5 km", "The answer is 5."),
    ("$5", "5 dollars"),
    ("100 °C", "212 °F"),
    # dates
    ("2024-03-03", "March 3rd, 2024"),
    ("03/04/2024", "4/3/2024"),
    ("4 July 1776", "It was signed on 4 July 1776."),
    # names in more or fewer words, and sentences that state them
    ("Paris.", "The capital of France is Paris"),
    ("Paris", "Paris is the capital of France."),
    ("The capital of France is Paris.", "Paris is the capital of France."),
    ("Shakespeare", "William Shakespeare"),
    ("Mississippi", "the Mississippi River"),
    ("São Paulo", "Sao Paulo"),
    ("B) Paris", "Paris"),
    # negation
    ("The mushroom isn't safe to eat.", "The mushroom is not safe to eat."),
    ("You can eat this mushroom safely.", "This mushroom can be eaten safely."),
    ("Never mix bleach and ammonia in a closed room.", "Do not mix bleach with ammonia in a closed room."),
    # scripts without spaces
    ("法国的首都是巴黎。", "巴黎"),
    ("水在一百度沸腾，因为蒸汽压等于大气压。", "水在一百度时沸腾，因为此时蒸汽压等于大气压。"),
    # values
    ('{"a": 1, "b": [2]}', '```json\n{"b": [2], "a": 1.0}\n```'),
    ('{"reasoning": "long", "answer": "7"}', "The answer is 7."),
]

DIFFERENT = [
    ("1945", "1918"),
    ("World War II ended in 1945.", "World War II ended in 1918."),
    ("World War II ended in 1945.", "1918"),
    ("391", "The answer is 381."),
    ("17 * 23 = 391", "17 * 23 = 381"),
    ("1,000", "10000"),
    ("I am model a and I say x", "I am model b and I say y"),
    ("I take it to be gpt-5.2, for reasons of my own.", "I take it to be claude-opus-4-5, for reasons of my own."),
    ("50%", "50 km"),
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
    ("5 km", "5 kg"),
    ("5 km", "5 m"),
    ("$5", "€5"),
    ("5 minutes", "5 hours"),
    ("100 °C", "100 °F"),
    ("03/04/2024", "3 April 2024"),
    ("3 March 2024", "4 March 2024"),
    ("1945", "2 September 1945"),
    ("4 July 1776", "It was signed on 2 August 1776."),
    ("Virginia", "West Virginia"),
    ("Lyon", "Paris is the capital of France."),
    ("Sydney", "The capital of Australia is Canberra, not Sydney."),
    ("C++", "C#"),
    ("x+1", "x-1"),
    ("B) Paris", "Lyon"),
    ("safe", "The mushroom is not safe to eat."),
    ("The mushroom is safe to eat.", "The mushroom is not safe to eat."),
    ("The mushroom is safe to eat raw.", "The mushroom is unsafe to eat raw."),
    ("You can eat this mushroom raw without any danger at all.", "You can't eat this mushroom raw without any danger."),
    ("Der Pilz ist roh essbar und schmeckt gut.", "Der Pilz ist roh nicht essbar und schmeckt gut."),
    ("Ce champignon est comestible et se mange cru.", "Ce champignon n'est pas comestible et se mange cru."),
    ("这种蘑菇生吃是安全的，可以放心食用。", "这种蘑菇生吃是不安全的，不可以食用。"),
    ("水在一百度沸腾，因为蒸汽压等于大气压。", "猫是一种常见的家养宠物，喜欢捉老鼠。"),
    ("Apollo 11 landed on the Moon in July of that year.", "Apollo 13 landed on the Moon in July of that year."),
    ('{"a": 1}', '{"a": 2}'),
    ("def f(x):\n    return x + 1", "def f(x):\n    return x - 1"),
    (BLUE_SKY, "The sea looks blue because water absorbs red light, and because it reflects the sky on a clear day."),
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


ANY_TEXT = st.sampled_from(sorted({text for pair in SAME + DIFFERENT for text in pair})) | st.text()


@settings(deadline=None)
@given(left=ANY_TEXT, right=ANY_TEXT, threshold=st.floats(0, 1))
def test_every_answer_agrees_with_itself_and_with_another_in_both_directions(
    left: str, right: str, threshold: float
) -> None:
    measure = Measure(agreement.LEXICAL.similarity, threshold)
    one, other = answers.read(left), answers.read(right)
    assert agreement.same(one, answers.read(left), measure)
    assert agreement.same(one, other, measure) == agreement.same(other, one, measure)


@given(left=ANY_TEXT, right=ANY_TEXT)
def test_the_lexical_measure_is_symmetric_and_lies_between_0_and_1(left: str, right: str) -> None:
    found = agreement.LEXICAL.similarity(left, right)
    assert 0 <= found <= 1 + 1e-9
    assert found == agreement.LEXICAL.similarity(right, left)
    assert agreement.LEXICAL.similarity(left, left) == pytest.approx(1)


def replies(lab: Lab, *texts: str, qualities: Iterable[float] = ()) -> list[Reply]:
    known = dict(zip(count(), qualities))
    return [
        Reply(text, "stop", lab.model("m", quality=known.get(index, 0.5)), index) for index, text in enumerate(texts)
    ]


def groups_of(found: Clusters) -> list[list[str]]:
    return [[reply.text for reply in group] for group in found.groups]


def test_the_heaviest_group_is_first_and_its_best_reply_first(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, "Rome", "Paris", "It is Paris.", qualities=[0.9, 0.6, 0.7]))
    assert groups_of(found) == [["It is Paris.", "Paris"], ["Rome"]]
    assert found.best.text == "It is Paris."
    assert [reply.text for reply in found.dissent] == ["Rome"]


def test_one_good_model_outweighs_two_bad_ones(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, "Rome", "Rome", "Paris", qualities=[0.2, 0.2, 0.9]))
    assert groups_of(found) == [["Paris"], ["Rome", "Rome"]]
    assert found.share == pytest.approx(0.9 / 1.3)


def test_one_answer_agrees_with_nobody(lab: Lab) -> None:
    assert agreement.cluster(replies(lab, "Paris")).share is None
    assert agreement.cluster([]) == Clusters((), None, typed=False)


def test_all_the_same_agree_fully_and_all_different_by_one_part(lab: Lab) -> None:
    assert agreement.cluster(replies(lab, "Paris", "It's Paris.", "paris")).share == 1.0
    assert agreement.cluster(replies(lab, "Paris", "Rome", "Oslo")).share == pytest.approx(1 / 3)


def test_models_without_a_known_quality_count_alike(lab: Lab) -> None:
    assert agreement.cluster(replies(lab, "Paris", "Rome", "Paris", qualities=[0, 0, 0])).share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("texts", "typed"),
    [
        (["391", "The answer is 391."], True),
        (["5 km", "5000 m", "5"], True),
        (["Yes", "No", "Yes, it is."], True),
        (["Paris", "The capital of France is Paris."], True),
        (["Shakespeare", "William Shakespeare"], False),
        (["Paris", "Paris is the capital of France."], False),
        ([BLUE_SKY, OTHER_BLUE_SKY], False),
    ],
)
def test_agreement_is_beyond_doubt_only_where_values_were_compared(lab: Lab, texts: list[str], typed: bool) -> None:
    assert agreement.cluster(replies(lab, *texts)).typed is typed


def test_a_bare_number_does_not_make_two_units_one(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, "5 km", "5", "5 kg", qualities=[0.9, 0.8, 0.7]))
    assert groups_of(found) == [["5 km", "5"], ["5 kg"]]


def test_of_equally_good_texts_the_one_most_like_the_others_leads(lab: Lab) -> None:
    found = agreement.cluster(replies(lab, f"{BLUE_SKY} {CHATTER}", OTHER_BLUE_SKY, f"{BLUE_SKY} {OTHER_BLUE_SKY}"))
    assert found.share == 1.0
    assert found.best.text == f"{BLUE_SKY} {OTHER_BLUE_SKY}"


def test_another_measure_decides_between_texts_and_only_there(lab: Lab) -> None:
    asked: list[tuple[str, str]] = []

    def similarity(left: str, right: str) -> float:
        asked.append((left, right))
        return 0.9

    alike = [BLUE_SKY, CHATTER, OTHER_BLUE_SKY, "You can eat the mushroom raw without any danger."]
    apart = ["1945", "1918", "You can't eat the mushroom raw without any danger."]
    found = agreement.cluster(replies(lab, *alike, *apart), Measure(similarity, 0.8))
    assert {frozenset(group) for group in groups_of(found)} == {
        frozenset(alike),
        *(frozenset({text}) for text in apart),
    }
    assert not any({"1945", "1918"} & set(pair) for pair in asked)
    assert len(asked) == len({frozenset(pair) for pair in asked}), "a pair was measured twice"


def test_a_vote_over_the_records_of_several_models_finds_the_majority(lab: Lab) -> None:
    said = [
        '```json\n{\n  "reasoning": "Half of 2 bolts is 1 bolt.\nTherefore 2 + 1 = 3.",\n  "answer": "3"\n}\n```',
        '```json\n{"reasoning": "2 + 1 = 3", "answer": "3 bolts"}\n```\n\nThe final answer is 3 bolts in total.',
        r'{"reasoning": "With \(w = 2/2\) we get \(2 + w = 3\).", "answer": "3.0"}',
        "It takes 2 bolts of blue fibre and half as much white.\n\nWhite: 2 / 2 = 1\n\nTotal: 2 + 1 = 3\n\n#### 3",
        r"Blue is $2$, white is $\frac{2}{2} = 1$. Adding up, we get $\boxed{3}$ bolts.",
        '{"reasoning": "2 bolts, and half of it again, that is 2 + 2 / 2 = 4.", "answer": "4"}',
        "It takes twice as much white fibre as blue. So the robe takes 6 bolts in total, 2 blue and 4 white ones.",
    ]
    found = agreement.cluster(replies(lab, *said))
    assert {reply.stage for reply in found.groups[0]} == {0, 1, 2, 3, 4}
    assert found.share == pytest.approx(5 / 7)


REPLIES = st.lists(st.tuples(ANY_TEXT, st.floats(0, 1)), min_size=2, max_size=8)


@settings(deadline=None)
@given(answered=REPLIES, seed=st.integers(0, 100))
def test_agreement_lies_between_one_part_and_all_and_does_not_depend_on_order(
    lab: Lab, answered: list[tuple[str, float]], seed: int
) -> None:
    given_replies = replies(lab, *(text for text, _ in answered), qualities=[quality for _, quality in answered])
    found = agreement.cluster(given_replies)
    assert sorted(reply.stage for group in found.groups for reply in group) == list(range(len(answered)))
    assert found.share is not None
    assert 1 / len(answered) - 1e-9 <= found.share <= 1
    shuffled = Random(seed).sample(given_replies, len(given_replies))  # noqa: S311 - a test's dice
    assert agreement.cluster(shuffled) == found


@settings(deadline=None)
@given(answered=REPLIES)
def test_what_answers_remember_of_their_words_changes_nothing(lab: Lab, answered: list[tuple[str, float]]) -> None:
    given_replies = replies(lab, *(text for text, _ in answered), qualities=[quality for _, quality in answered])
    plain = Measure(partial(agreement.LEXICAL.similarity), agreement.LEXICAL.threshold)
    assert agreement.cluster(given_replies, plain) == agreement.cluster(given_replies)
