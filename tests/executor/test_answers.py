"""What is read out of an answer, and that no text makes reading slow or fail."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import answers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("391", 391),
        ("The answer is 391.", 391),
        ("1,234,567", 1_234_567),
        ("$1,000.50", Fraction("1000.5")),
        ("-3", -3),
        ("12.5%", Fraction(1, 8)),
        ("3/4", Fraction(3, 4)),
        ("1/0", None),
        ("It is 3 or rather 4.", 4),
        ("The answer is 5, not 6.\nThe answer is 7", 7),
        ("\\boxed{42}", 42),
        ("1914-1918", 1918),
        ("v2", None),
        ("no number", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_the_number_is_the_last_one_of_the_final_answer(text: str, number: Fraction | int | None) -> None:
    assert answers.read(text).number == number


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("The answer is C.", "C"),
        ("Because it is so.\n\n**D**", "D"),
        ("A) London", "A"),
        ("(A) London", "A"),
        ("F", None),
        ("A dog", None),
        ("Both", None),
        ("E. coli", None),
        ("", None),
    ],
)
def test_a_choice_is_a_letter_alone_or_with_its_option(text: str, choice: str | None) -> None:
    assert answers.read(text).choice == choice


@pytest.mark.parametrize(
    ("text", "polarity"),
    [
        ("Yes", "yes"),
        ("**No**, it is not.", "no"),
        ("It depends.\nThe answer is: yes", "yes"),
        ("Nobody knows.", None),
        ("Yesterday", None),
        ("Paris", None),
        ("", None),
    ],
)
def test_yes_and_no_are_read_where_an_answer_opens_or_ends(text: str, polarity: str | None) -> None:
    assert answers.read(text).polarity == polarity


@settings(deadline=None)
@given(text=st.text() | st.text(alphabet="answer is:=*\n\t 019,./%$-+()ABC\\boxed{}"))
def test_every_text_can_be_read(text: str) -> None:
    read = answers.read(text)
    assert read.names <= read.words
    assert read.number is None or read.short


@pytest.mark.parametrize(
    "filler",
    ["\n", " ", "answer", "answer\n", "answer is ", "1,", "1 ", "1/", "9", ".", "*", "\\boxed{", "is\n", "a b ", "("],
)
def test_a_long_text_is_read_in_linear_time(filler: str) -> None:
    # Quadratic or cubic reading would take minutes to years.
    text = filler * (200_000 // len(filler))
    answers.read("answer" + text)
    answers.read(text + "x")
