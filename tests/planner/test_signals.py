"""What a person says of a prompt, against what planner.signals says."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog import TASKS
from planner.signals import detect

from .labelled import MISSED, TABLE, Labelled


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.prompt)
def test_signals_are_what_a_person_says(row: Labelled) -> None:
    assert detect(row.prompt).names() == row.names


@pytest.mark.parametrize("row", MISSED, ids=lambda row: row.prompt)
def test_what_only_a_person_sees_is_still_missed(row: Labelled) -> None:
    """A row that fails here is good news: it belongs into the file of its shape."""
    assert detect(row.prompt).names() != row.names


def test_the_table_is_wide_enough_to_say_something() -> None:
    assert len({row.prompt for row in TABLE}) == len(TABLE) >= 120
    assert len({row.language for row in TABLE} - {""}) >= 12
    said = {name for row in TABLE for name in row.names}
    assert said >= {*TASKS, "trivial", "compound", "checkable", "contested", "open", "code"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do you say 谢谢 in English?", "en"),
        ("Напиши функцию на Python, которая вызывает requests.get", "ru"),
        ("用Python写一个快速排序函数", "zh"),
        ("東京タワーの高さ", "ja"),
        ("Чи можна їхати до Львова поїздом?", "uk"),
        ("پایتخت ایران کجاست؟ چگونه", "fa"),
        ("Ποια είναι η πρωτεύουσα της Ελλάδας;", "el"),
        ("Wat is de hoofdstad van het land en waar zijn wij", "nl"),
        ("Translate this into English, and keep the tone of it as it is: " + "Wir gingen an das Meer. " * 40, "en"),
        ("x = y", ""),
        ("", ""),
    ],
)
def test_the_language_is_told_by_script_and_small_words_or_not_at_all(text: str, language: str) -> None:
    assert detect(text).language == language


@pytest.mark.parametrize(
    "code",
    [
        "```\nx\n```",
        "def f(x):\n    return x",
        "class A:\n    pass",
        "SELECT a FROM b",
        "const x = 1",
        "x => { return x }",
        "#include <stdio.h>",
        "print(1)",
        "foo();",
        "<b>bold</b>",
        "import os\n",
    ],
)
def test_code_is_seen_whatever_is_asked_about_it(code: str) -> None:
    for request in ("Translate the comments into German:\n", "Why is this so slow?\n", "Summarize this:\n"):
        assert detect(request + code).code


@pytest.mark.parametrize(
    "text",
    [
        "Select a gift from this shop for my mother",
        "Let me know which class is best, and print the list",
        "The constant a/b < c (see below); it is important to import goods",
    ],
)
def test_prose_that_sounds_like_code_is_none(text: str) -> None:
    assert not detect(text).code


def test_every_signal_that_fired_has_a_name() -> None:
    seen = detect("Should we ban cars? Is it ethical? " + "So it was by the sea. " * 150)
    assert seen.names() == ("reasoning", "compound", "contested", "long", "language en")


@pytest.mark.parametrize("filler", ["Wir waren am Meer. ", "We went to the sea. ", "我们去了海边。"])
def test_a_prompt_of_more_than_600_words_is_long_in_any_script(filler: str) -> None:
    assert detect(filler * 300).long
    assert not detect(filler * 20).long


def test_signals_stand_at_both_ends_of_a_long_prompt() -> None:
    text = "We went to the sea. " * 2_000
    assert detect("Translate this: " + text).task == "translation"
    assert detect(text + "\nTranslate all that.").task == "translation"


def test_numbers_in_a_long_text_make_no_sum_of_it() -> None:
    report = "The 3 teams grew by 5 percent, from 20 = 10 + 10 people to 21. " * 40
    assert detect("Discuss this report. " + report).task == "general"


@given(st.text(alphabet=st.characters()))
def test_any_text_has_signals_and_always_the_same(text: str) -> None:
    seen = detect(text)
    assert seen == detect(text)
    assert seen.task in TASKS
    assert not (seen.trivial and (seen.compound or seen.long))
    assert not (seen.open and seen.contested)


@pytest.mark.parametrize(
    "piece",
    [
        "\n", " ", "\t", "?", "1", "1 ", "1" + " " * 50, "a", "A) x ", "B. A. ", "1) ", "1) 2", "\n- ", "\n1.",
        "SELECT ", "SELECT x\nFROM", "def a", "class a", "=>", "`", "```", "%1 %", "1 / ", "1-1", "é", "翻", "¿",
        "\x00", "\ud800", "how ", "how do ", "fasse ", "controvers", "prove that ", "\U0001f600", "\u0130",
    ],
    ids=ascii,
)  # fmt: skip
def test_no_text_of_a_mebibyte_takes_long(piece: str) -> None:
    text = piece * ((1 << 20) // len(piece))
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        detect(text)
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.1
