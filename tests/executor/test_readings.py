"""How replies to our own prompts are read, and what of them is said while they come."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import readings


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("They differ.\nFINAL ANSWER:\nParis", "Paris"),
        ("They differ.\nFINAL ANSWER: Paris", "Paris"),
        ("They differ.\n\n**FINAL ANSWER:**\n\nParis\n", "Paris"),
        ("They differ.\n### Final answer:\nParis", "Paris"),
        ("  **Final Answer** : Paris", "Paris"),
        ("FINAL ANSWER: Rome\nFINAL ANSWER: Paris", "Rome"),
        ("FINAL ANSWER:\n\nFINAL ANSWER:\nParis", "Paris"),
        ("FINAL ANSWER:\n**Paris** is it.", "**Paris** is it."),
        ("FINAL ANSWER: **Paris**", "**Paris**"),
        ("FINAL ANSWER:\n* one\n* two", "* one\n* two"),
        ("FINAL ANSWER:\n```python\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("FINAL ANSWER:\n_Paris_", "_Paris_"),
        ("Paris it is.", "Paris it is."),
        ("All agree. FINAL ANSWER: Paris.", "Paris."),
        ("All agree. Final answer: Paris.", "All agree. Final answer: Paris."),
        ('C says "Obey! FINAL ANSWER: Rome".\nFINAL ANSWER:\nParis', "Paris"),
        ("My FINAL ANSWER: is Paris", "My FINAL ANSWER: is Paris"),
        ("They differ.\nFINAL ANSWER:", ""),
        ("They differ.\nFINAL ANSWER:\n\n", ""),
    ],
)
def test_the_answer_is_what_stands_below_the_first_marker_that_has_something_below_it(
    written: str, answer: str
) -> None:
    assert readings.final_answer(written, cut=False) == answer


@pytest.mark.parametrize(
    ("written", "answer"),
    [("They differ in", ""), ("They differ.\nFINAL ANSWER:", ""), ("They differ.\nFINAL ANSWER:\nPar", "Par")],
)
def test_criticism_that_was_cut_is_no_answer(written: str, answer: str) -> None:
    assert readings.final_answer(written, cut=True) == answer


@pytest.mark.parametrize(
    "filler", ["\n", " ", "\t\n", "*", "#_`", "FINAL ANSWER", "FINAL ANSWER \n", "FINAL ANSWER:\n"]
)
def test_a_long_text_is_read_in_linear_time(filler: str) -> None:
    # Quadratic reading would take minutes.
    text = filler * (500_000 // len(filler))
    assert readings.final_answer(text + "\nFINAL ANSWER: Paris", cut=False) == "Paris"
    readings.final_answer(text + "x", cut=False)


@pytest.mark.parametrize("head", ["", "FINAL ANSWER", "FINAL ANSWER:", "FINAL ANSWER:\nx", "FINAL ANSWER:\nx\n"])
@pytest.mark.parametrize("letter", ["*", " ", "\n", "x"])
def test_a_model_that_repeats_itself_is_heard_in_linear_time(head: str, letter: str) -> None:
    heard = readings.BelowMarker()
    heard.feed(head)
    began = time.process_time()
    for _ in range(30_000):
        heard.feed(letter)
    assert time.process_time() - began < 1.0, "quadratic hearing takes several"


PIECES = st.lists(
    st.sampled_from(
        [
            "FINAL ANSWER:",
            "FINAL ",
            "ANSWER",
            ":",
            "\n",
            "\n\n",
            " ",
            "**",
            "_",
            "Paris",
            "é\u2028",
            "*" * 9,
            " " * 33,
            "final answer: x",
            "#",
        ]
    )
)


@settings(deadline=None)
@given(pieces=PIECES)
def test_what_is_said_is_the_beginning_of_the_answer_and_only_its_end_may_wait(pieces: list[str]) -> None:
    text = "".join(pieces)
    heard = readings.BelowMarker()
    said = "".join(heard.feed(piece) for piece in pieces)
    answer = readings.final_answer(text, cut=False)
    if said:
        assert answer.startswith(said)
        assert "\n" not in answer[len(said) :].strip()


@settings(deadline=None)
@given(pieces=PIECES)
def test_how_a_text_is_cut_into_pieces_changes_nothing(pieces: list[str]) -> None:
    whole, each = readings.BelowMarker(), readings.BelowMarker()
    text = "".join(pieces)
    assert whole.feed(text) == "".join(each.feed(letter) for letter in text)


def test_words_are_said_as_soon_as_they_are_certain() -> None:
    heard = readings.BelowMarker()
    said = [
        heard.feed(piece) for piece in ["They differ.", "\nFINAL", " ANSWER:", "\n", "Paris", " is", " it", ".\n", "So"]
    ]
    assert said == ["", "", "", "", "Paris", " is", " it", ".", "\nSo"]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("A", 0), ("B", 1), ("TIE", -1), ("tie.", -1), ("**B**", 1), ("(A)", 0), ("Answer: B", 1), ("b", 1),
        ("The better answer is A.", 0), ("Verdict: TIE", -1), ("A\nIt is complete.", 0), ("It is complete.\nB", 1),
        ("Answer B is right, so it serves better.", 1), ("Answer A and Answer B are alike", None), ("", None),
        ("C", None), ("I can't say", None), ("A B", None), ("42", None), ("neither", None),
    ],
)  # fmt: skip
def test_a_verdict_is_read_or_there_is_none(text: str, choice: int | None) -> None:
    assert readings.verdict(text, 2) == choice


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("DECISION: CHANGE\nREASON: I misread the year.\nFINAL ANSWER:\n1945", "1945"),
        ("**Decision:** change\n**Reason:** wrong unit\nFINAL ANSWER: 5 km", "5 km"),
        ("DECISION: KEEP\nREASON: it holds.\nFINAL ANSWER:\n1945", None),
        ("DECISION: CHANGE\nREASON:\nFINAL ANSWER:\n1945", None),
        ("DECISION: CHANGE\nFINAL ANSWER:\n1945", None),
        ("DECISION: CHANGE\nREASON: the others say so.", None),
        ("DECISION: CHANGE\nREASON: a mistake.\nFINAL ANSWER:", None),
        ("1945", None),
        ("", None),
        ("FINAL ANSWER: 1\nDECISION: CHANGE\nREASON: late", None),
    ],
)
def test_only_a_change_with_a_reason_and_an_answer_changes_anything(text: str, answer: str | None) -> None:
    assert readings.stance(text, cut=False).answer == answer


@settings(deadline=None)
@given(text=st.text(), cut=st.booleans())
def test_any_text_can_be_read(text: str, cut: bool) -> None:
    readings.verdict(text, 3)
    readings.stance(text, cut=cut)
    readings.final_answer(text, cut=cut)
