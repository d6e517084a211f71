"""What is read out of an answer, and that no text makes reading slow or fail."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import json
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import agreement, answers

STEPS = "Each robe takes 2 bolts of blue fibre and half as much white fibre, so 2 / 2 = 1 bolt of white. "


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        # markers
        ("The answer is 391.", "number", 391),
        ("Final answer: 12", "number", 12),
        ("**Final Answer**\n\n12", "number", 12),
        ("FINAL ANSWER:\n42 apples", "number", 42),
        ("## Final answer\n\n**B**", "choice", "B"),
        ("**Answer:** B", "choice", "B"),
        ("**Answer: B**", "choice", "B"),
        ("*Answer*: Paris", "short", "paris"),
        ("#### 42", "number", 42),
        (STEPS + "\n#### 3", "number", 3),
        (r"\boxed{\frac{3}{4}}", "number", Fraction(3, 4)),
        (r"So it is $\boxed{7}$. I hope that helps.", "number", 7),
        (r"\boxed{x = 5}", "number", 5),
        (r"\boxed{\text{B}}", "choice", "B"),
        (r"\boxed{12{,}345}", "number", 12_345),
        (r"\boxed{2\sqrt{3}}", "short", r"2\sqrt{3}"),
        ("<answer>7</answer>", "number", 7),
        ("Antwort: 12", "number", 12),
        ("Die Antwort lautet 12.", "number", 12),
        ("La réponse est 12.", "number", 12),
        ("La respuesta es 12.", "number", 12),
        ("La risposta è 12.", "number", 12),
        ("A resposta é 12.", "number", 12),
        ("答案：12", "number", 12),
        ("答案是B", "choice", "B"),
        ("答え：12", "number", 12),
        ("Ответ: 12", "number", 12),
        ("Result = 12", "number", 12),
        ("Solution: x = 3", "number", 3),
        ("The answer is\n\n42", "number", 42),
        ("Answer:\n\n- Paris", "short", "paris"),
        ("Respuesta final: Sí", "boolean", True),
        ("Réponse : oui", "boolean", True),
        ("したがって、答えは12です。", "number", 12),
        ("The answer is five.", "number", 5),
        ("The answer is 12 because 3 * 4 = 12.", "number", 12),
        ("Answer: A dog", "short", "dog"),
        ("Answer: 3 apples and 4 pears", "short", "3 apples and 4 pears"),
        ("The answer is not 5.", "short", "not 5"),
        ("The answer is correct.", "boolean", True),
        ("```text\nParis\n```", "short", "paris"),
        # the last one wins, but words after it do not
        ("The answer is 5, not 6.\nThe answer is 7", "number", 7),
        ("The answer is 5.\n\nWait. The answer is 6.", "number", 6),
        (r"\boxed{5} was wrong. Final answer: 6", "number", 6),
        ("Yes, it can be computed. The answer is 7.", "number", 7),
        ('{"answer": 5}\nThe final result is the number of bolts.', "number", 5),
        # JSON with an answer in it
        ('{"reasoning": "so the answer is 5", "answer": "6"}', "number", 6),
        ('```json\n{"answer": 6}\n```', "number", 6),
        ('Let me think.\n```json\n{"reasoning": "r", "answer": "B"}\n```\nThat is all.', "choice", "B"),
        ('I see {"x": 1}.\n\n{"final_answer": "Paris"}', "short", "paris"),
        ('{"result": 2.50}', "number", Fraction(5, 2)),
        ('{"answer": true}', "boolean", True),
        ('{"answer": {"answer": "B"}}', "choice", "B"),
        ('{"answer": [1, 2]}', "json", ("list", (1, 2))),
        ('{"answer": ""}', "short", ""),
        (r'{"reasoning": "a \( b", "answer": "7"}', "number", 7),
        ('{"reasoning": "two\nlines", "answer": 7}', "number", 7),
        # values as they stand
        ("[1, 2, 3]", "json", ("list", (1, 2, 3))),
        ("(1, 2)", "json", ("tuple", (1, 2))),
        ("B", "choice", "B"),
        ("(b)", "choice", "B"),
        ("b)", "choice", "B"),
        ("B.", "choice", "B"),
        ("Option B", "choice", "B"),
        ("B) Paris", "choice", "B"),
        ("B. Paris", "choice", "B"),
        ("B: Paris", "choice", "B"),
        ("(A) London", "choice", "A"),
        ("A", "choice", "A"),
        ("The correct answer is B", "choice", "B"),
        ("The correct answer is (C).", "choice", "C"),
        ("Correct option: C", "choice", "C"),
        ("The answer is option D.", "choice", "D"),
        ("I would choose B.", "choice", "B"),
        ("(C) is correct", "choice", "C"),
        ("A and C", "choice", "AC"),
        ("Because it is so.\n\n**D**", "choice", "D"),
        ("Yes", "boolean", True),
        ("yes.", "boolean", True),
        ("Yes, because 7 is odd.", "boolean", True),
        ("**No**, it is not.", "boolean", False),
        ("No. It is not prime.", "boolean", False),
        ("It depends.\nThe answer is: no", "boolean", False),
        ("True", "boolean", True),
        ("Falsch", "boolean", False),
        ("Ja, das stimmt.", "boolean", True),
        ("Nein.", "boolean", False),
        ("Oui, bien sûr.", "boolean", True),
        ("Non", "boolean", False),
        ("Sí, claro.", "boolean", True),
        ("Sì.", "boolean", True),
        ("Falso", "boolean", False),
        ("Sim.", "boolean", True),
        ("Não, não é.", "boolean", False),
        ("是", "boolean", True),
        ("いいえ", "boolean", False),
        # a few words
        ("Paris.", "short", "paris"),
        ("The capital of France is Paris", "short", "paris"),
        ("The capital of France is **Paris**.", "short", "paris"),
        ("It's Paris.", "short", "paris"),
        ("The answer is Paris because it is the seat of government.", "short", "paris"),
        ("The capital of Australia is Canberra, not Sydney.", "short", "canberra"),
        ("Hamlet was written by William Shakespeare.", "short", "william shakespeare"),
        ("the Eiffel Tower", "short", "eiffel tower"),
        ("São Paulo", "short", "sao paulo"),
        ("U.S.A.", "short", "usa"),
        ("C++", "short", "C++"),
        ("Saint-Denis", "short", "saint denis"),
        ("法国的首都是巴黎。", "short", "巴黎"),
        ("フランスの首都はパリです。", "short", "パリ"),
        ("A dog", "short", "dog"),
        ("The answer is a dog.", "short", "dog"),
        ("I", "short", "i"),
        ("I think so.", "short", "i think so"),
        ("Both", "short", "both"),
        ("E. coli", "short", "e coli"),
        ("Nobody knows.", "short", "nobody knows"),
        ("Yesterday", "short", "yesterday"),
        ("No problem", "short", "no problem"),
        # conclusions of a longer text
        (STEPS + "So the robe takes 3 bolts in total.", "number", 3),
        (STEPS + "Therefore, the total is **3**.", "number", 3),
        (STEPS + STEPS + "\n\n= 3 bolts", "number", 3),
        ("No, " + STEPS, "boolean", False),
        ("There are 12 apples left.", "number", 12),
        ("It costs 5 dollars and 50 cents.", "number", (Fraction(11, 2), "USD")),
        ("x=3, y=4", "short", "x=3,y=4"),
        ("Step 1: 2 + 2 = 4\nStep 2: 4 * 3 = 12", "number", 12),
        # prose
        ("Paris is the capital of France.", "text", None),
        ("The mushroom is not safe to eat.", "text", None),
        ("It is 3 or rather 4.", "text", None),
        (STEPS, "text", None),
        ("", "text", None),
        (" \n", "text", None),
    ],
)
def test_the_final_answer_is_read(text: str, kind: str, key: object) -> None:
    read = answers.read(text)
    assert (read.kind, read.key) == (kind, key)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "def add(a, b):\n    return a + b",
            "```python\ndef add(a, b):\n  # the sum\n\n  return a + b  # of both\n```",
        ),
        ("```js\nf(1) // one\n/* done */\ng('a')\n```", 'So:\n\n```js\nf(1)\ng("a")\n```\n\nThat is all.'),
        ("```sql\nSELECT a -- first\nFROM t\n```", "SELECT a FROM t"),
        ("```\nint main() {\n  return 0;\n}\n```", "```c\nint main() { return 0; }\n```"),
    ],
)
def test_code_is_its_tokens(one: str, other: str) -> None:
    left, right = answers.read(one), answers.read(other)
    assert left.kind == right.kind == "code"
    assert left.key == right.key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f():\n    if a:\n        b()\n    c()", "def f():\n    if a:\n        b()\n        c()"),
        ("```python\nx = 7 // 2\n```", "```python\nx = 7 // 3\n```"),
        ("```c\n#include <a.h>\n```", "```c\n#include <b.h>\n```"),
        ('```js\nf("// a")\n```', '```js\nf("// b")\n```'),
    ],
)
def test_what_only_looks_like_a_comment_counts_and_so_does_depth(one: str, other: str) -> None:
    assert answers.read(one).key != answers.read(other).key


def test_json_is_compared_as_a_value() -> None:
    one = answers.read('{"b": [1, 2.0], "a": {"c": null}}')
    other = answers.read('Here:\n```json\n{\n  "a": {"c": null},\n  "b": [1.0, 2]\n}\n```')
    assert one.kind == other.kind == "json"
    assert one.key == other.key
    assert answers.read('{"a": 1}').key != answers.read('{"a": true}').key
    assert answers.read("{'a': 1}").key == answers.read('{"a": 1}').key


def test_the_last_block_of_code_is_the_answer_unless_it_only_shows_its_use() -> None:
    long = "```python\ndef f(x):\n    y = x + 1\n    return y * y\n```"
    assert answers.read(f"{long}\n\nUse it:\n\n```python\nf(1)\n```").final.startswith("def f")
    assert answers.read(f"{long}\n\nBetter:\n\n```python\ndef f(x):\n    return (x + 1) ** 2\n```").final.endswith(
        "** 2"
    )


HOSTILE = st.text(alphabet="answer is:=*\n\t 019,./%$-+()[]{}\"'`#ABCyesno\\boxed½−１") | st.lists(
    st.sampled_from(
        ["the answer is ", "```", "\\boxed{", '{"answer": ', "#### ", "1 ", "/", "\n", "= ", "**", "[", "B) ", "no, "]
    )
).map("".join)


@settings(deadline=None)
@given(text=st.text() | HOSTILE)
def test_every_text_can_be_read(text: str) -> None:
    read = answers.read(text)
    hash((read.kind, read.key))
    assert read.typed == (read.key is not None)
    assert agreement.same(read, answers.read(text))


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda items: st.lists(items) | st.dictionaries(st.text(), items),
    )
)
def test_json_reads_the_same_however_it_is_laid_out(value: object) -> None:
    wrapped = {"data": [value]}
    plain, wide = json.dumps(wrapped), json.dumps(wrapped, indent=4, sort_keys=True)
    assert answers.read(plain) == answers.read(plain)
    if answers.read(plain).kind == "json":
        assert answers.read(plain).key == answers.read(wide).key


@pytest.mark.parametrize(
    "filler",
    [
        *("\n", " ", "9", ".", "-", "*", "(", "{", "[", "`", '"', "\\", "\u0301"),
        *("answer", "answer\n", "answer is ", "the answer to ", "is\n", "a b ", "A. ", "Yes, ", "not x, "),
        *("1,", "1 ", "1/", "1 000", "= 1 ", "1.", "#### ", "3 March "),
        *("\\boxed{", '{"a":', '"answer":"', '\\"', "```", "```a\n", "/*", '"""', "'''", "<answer>", "**a", "\\frac{"),
        *("答案是", "是", "e\u0301\u0327", "ﷺ"),
    ],
)
def test_a_long_text_is_read_in_linear_time(filler: str) -> None:
    # Of a text that is cut to its ends, reading and comparing take as long as of a text of that size; below it, eight
    # times the text may take eight times as long, and some more for the clock. Quadratic reading takes 64 times as
    # long.
    def seconds(size: int) -> float:
        text = filler * (size // len(filler))
        best = float("inf")
        for _ in range(2):
            begin = time.process_time()
            for case in (text, f"answer {text}", f"```\n{text}"):
                agreement.same(answers.read(case), answers.read(f"{case}x"))
            best = min(best, time.process_time() - begin)
        return best

    assert seconds(16_000) < 24 * max(seconds(2_000), 0.0005)
    assert seconds(1_000_000) < 6 * max(seconds(20_000), 0.002)
