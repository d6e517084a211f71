"""What a person would say of a prompt, against what planner.signals says."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog import TASKS
from planner.signals import detect

_OPTIONS = "A) the Sun B) the Moon C) Mars"
_LOOP = "for x in range(3): print(x)"

#: Prompt → task and flags, in the order in which they are named.
PROMPTS = {
    # Short, of one step: one model is enough.
    "What is the capital of France?": "factual trivial",
    "Who wrote Hamlet?": "factual trivial",
    "When did the Berlin Wall fall?": "factual trivial",
    "How tall is Mount Everest?": "factual trivial",
    "How many people live in Berlin?": "factual trivial",
    "What happened in 1914-1918?": "factual trivial",
    "Was ist die Hauptstadt von Portugal und wo liegt sie": "factual trivial",
    "¿Quién pintó Las Meninas?": "factual trivial",
    "Où se trouve le Louvre ?": "factual trivial",
    "中国的首都是哪里": "factual trivial",
    "Hi there!": "general trivial",
    "Hello, how are you today?": "general trivial",
    "Bonjour": "general trivial",
    "thanks a lot": "general trivial",
    "What is 12 * 7?": "math trivial checkable",
    "12-5": "math trivial checkable",
    # A greeting is not all that it says.
    "Hi, explain quantum gravity": "reasoning",
    # A relative clause is not a question.
    "Explain why the sky looks red when the sun sets": "reasoning",
    "Why is the sky blue?": "reasoning",
    "Describe a sunset over the sea": "general",
    "Warum ist der Himmel blau?": "reasoning",
    "Pourquoi le ciel est-il bleu ?": "reasoning",
    "为什么天空是蓝色的": "reasoning",
    "What is the difference between TCP and UDP?": "reasoning",
    # The answer can be compared.
    "Solve 3x + 5 = 20 for x and give the steps of the solution, please": "math checkable",
    "Anna has 12 apples, gives 5 away and buys 8 more. How many apples has she got?": "math checkable",
    "What is 15% of 80, if the tax of 20% is already inside the eighty?": "math checkable",
    "Wie viele Äpfel hat Anna, wenn sie 12 kauft und 5 davon ihrem Bruder gibt?": "math checkable",
    "计算三加五等于多少, 然后告诉我你是怎么得到结果的, 请写出全部步骤并检查一遍": "math checkable",
    f"Which is a star? {_OPTIONS}": "factual trivial checkable",
    "Is the Earth flat? Answer with yes or no, nothing else, please.": "general checkable",
    f"What will this print: {_LOOP}": "factual trivial checkable",
    # Proofs are long and never alike.
    "Prove that the square root of 2 is irrational": "math",
    # Code is code, whatever else is in it.
    "Write a Python function which merges two sorted lists": "code",
    "Why does `def f(x):` fail? And where is my mistake? ```\ndef f(x):\n```": "code",
    "SELECT name FROM users WHERE id = 3 is slow, what is wrong?": "code",
    "Refactor class Foo: it is too long": "code",
    "Schreibe eine Funktion in C++, die Primzahlen findet": "code",
    # … and these only sound like it.
    "Select a gift from this shop for my mother": "general",
    "How do I get rust off an iron gate?": "reasoning",
    "Compile a shopping list of fruit": "general",
    # A text that is carried brings its own questions.
    "Translate into French: Where are you? Who is there?": "translation",
    "Übersetze ins Englische: Ich hätte gern ein Glas Wasser": "translation",
    "把这句话翻译成英语": "translation",
    "Summarize this FAQ: What is it? Who is it for? How is it paid?": "extraction",
    "Résume ce texte en deux phrases": "extraction",
    "Write a haiku about autumn rain": "creative",
    "Schreibe ein Gedicht über den Herbst": "creative",
    "Tell me a story about a dragon who is afraid of fire": "creative",
    # Several things at once.
    "Who founded Rome? When did it fall?": "factual compound",
    "Plan my trip:\n1. flights\n2. hotels\n3. museums": "general compound",
    "Please 1) name three rivers 2) order them by length": "general compound",
    "Write a haiku about rain and then explain its imagery": "creative compound",
    "Erkläre die Photosynthese und dann die Atmung der Pflanzen, außerdem ihre Bedeutung": "reasoning compound",
    # People of good will disagree.
    "Should we abolish the death penalty?": "reasoning contested",
    "Is it ethical to eat meat?": "general contested",
    "What is the best city to live in?": "factual contested",
    "Pros and cons of nuclear power": "reasoning contested",
    "Sollte man in der Schule Uniformen tragen?": "general contested",
    "¿Debería el gobierno prohibir los coches en el centro?": "general contested",
    "我们应该禁止汽车进城吗": "general contested",
}


@pytest.mark.parametrize(("prompt", "expected"), PROMPTS.items())
def test_signals_are_what_a_person_expects(prompt: str, expected: str) -> None:
    assert " ".join(detect(prompt).names()) == expected


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
