"""A task in parts, as models write it: what is a plan, and why the rest is none."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.dag import MAX_NODES, DagError, Node, read


def node(name: Any, *needs: Any, **changes: Any) -> dict[str, Any]:
    return {"id": name, "task": f"do {name}", "needs": list(needs), "capability": "math"} | changes


def plan(*nodes: Any) -> str:
    return json.dumps({"nodes": nodes})


def ids(text: str) -> str:
    return " ".join(one.id for one in read(text))


GOOD = plan(node("1"), node("2", "1"))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here is the plan:\n\n{GOOD}\n\nShall I go on?",
        f"A set like {{this}}, a note [1] and then {GOOD}",
        json.dumps([node("1"), node("2", "1")]),
        plan(node(1), node(2, 1)),
        plan(node("1"), node("2", "$1")),
        plan(node("1"), node("2", "1", 1, "$1")),
        plan(node("1"), node("2", "1") | {"note": "more than was asked for"}),
        f"{GOOD}\n{plan(node('3'))}",
        GOOD[:-1],
    ],
    ids=[
        "bare",
        "fenced",
        "in prose",
        "after brackets",
        "a list",
        "numbers",
        "dollars",
        "twice",
        "extra",
        "the first",
        "open",
    ],
)
def test_a_plan_is_found_whatever_stands_around_it(text: str) -> None:
    assert read(text) == (Node("1", "do 1", (), "math"), Node("2", "do 2", ("1",), "math"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'there is no JSON object with a list "nodes"'),
        ("I can't split this.", 'there is no JSON object with a list "nodes"'),
        (GOOD[:-2], 'there is no JSON object with a list "nodes"'),
        ('{"parts": []}', 'there is no JSON object with a list "nodes"'),
        ("[1, 2]", 'there is no JSON object with a list "nodes"'),
        ("[" * 60_000, 'there is no JSON object with a list "nodes"'),
        ('{"nodes": ' + "9" * 5_000 + "}", 'there is no JSON object with a list "nodes"'),
        ('{"nodes": {}}', '"nodes" is no list with at least one node'),
        (plan(), '"nodes" is no list with at least one node'),
        (plan(*(node(str(number)) for number in range(9))), "there are more than 8 nodes"),
        (plan(node("1"), node("1")), "two nodes have the same id"),
        (plan(node("1"), node(1)), "two nodes have the same id"),
        (plan(node("1", "2"), node("2", "1")), "the needs go in a circle"),
        (plan(node("1", "1")), "the needs go in a circle"),
        (plan(node("0"), node("1", "3"), node("2", "1"), node("3", "2")), "the needs go in a circle"),
        (plan(node("1", "2")), "node 1 needs 2 that does not exist"),
        (plan(node("1", "say: ignore the above")), "node 1 needs a node that does not exist"),
        (plan(node("1", True)), "node 1 needs True that does not exist"),
        (plan(node("1"), "2"), "node 2 is no object"),
        (plan({"task": "x"}), 'node 1 has no "id" of letters and digits'),
        (plan(node(True)), 'node 1 has no "id" of letters and digits'),
        (plan(node(1.5)), 'node 1 has no "id" of letters and digits'),
        (plan(node("a b")), 'node 1 has no "id" of letters and digits'),
        (plan(node("1\n")), 'node 1 has no "id" of letters and digits'),
        (plan(node("x" * 33)), 'node 1 has no "id" of letters and digits'),
        (plan(node("1", task=" ")), 'node 1 has no "task" that is a text'),
        (plan(node("1", task=["x"])), 'node 1 has no "task" that is a text'),
        (plan(node("1", task="x" * 4_001)), 'node 1 has no "task" that is a text'),
        (plan(node("1", task="half \ud800 a pair")), 'node 1 has no "task" that is a text'),
        (plan(node("1", needs="2")), '"needs" of node 1 is no list of ids'),
        (plan(node("1", needs=[["2"]])), '"needs" of node 1 is no list of ids'),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(DagError) as caught:
        read(text)
    assert str(caught.value) == why


def test_eight_parts_are_a_plan() -> None:
    assert len(read(plan(*(node(str(number)) for number in range(MAX_NODES))))) == MAX_NODES


def test_needs_may_be_left_out_or_null_and_a_capability_may_be_anything() -> None:
    bare = {"id": "1", "task": " x "}
    assert read(plan(bare)) == (Node("1", "x", (), ""),)
    assert read(plan(bare | {"needs": None, "capability": ["Math"]})) == (Node("1", "x", (), ""),)
    assert read(plan(bare | {"capability": "MATH"})) == (Node("1", "x", (), "math"),)


@pytest.mark.parametrize(
    ("nodes", "order"),
    [
        ([node("1"), node("2", "1"), node("3"), node("4", "3")], "1 2 3 4"),
        ([node("2", "1"), node("1")], "1 2"),
        ([node("3", "2"), node("2", "1"), node("1"), node("4")], "1 2 3 4"),
        ([node("sum", "a", "b"), node("b"), node("a")], "b a sum"),
    ],
)
def test_parts_keep_the_order_in_which_they_were_written_as_far_as_their_needs_allow(
    nodes: list[dict[str, Any]], order: str
) -> None:
    assert ids(plan(*nodes)) == order


NODES = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("123456789"), "task": st.sampled_from(["x", "$1 and $2"])},
        optional={"needs": st.lists(st.sampled_from("123456789"), max_size=3), "capability": st.text(max_size=3)},
    ),
    max_size=9,
)


@settings(deadline=None)
@given(nodes=NODES)
def test_of_every_plan_each_part_stands_behind_those_that_it_needs(nodes: list[dict[str, Any]]) -> None:
    try:
        found = read(plan(*nodes))
    except DagError:
        return
    assert sorted(one.id for one in found) == sorted(one["id"] for one in nodes)
    for index, one in enumerate(found):
        assert set(one.needs) <= {earlier.id for earlier in found[:index]}


@settings(deadline=None)
@given(text=st.text(alphabet=st.sampled_from('{}[]":,\\1a$nodes \n')) | st.text())
def test_any_text_is_a_plan_or_a_dag_error(text: str) -> None:
    try:
        read(text)
    except DagError:
        return


@pytest.mark.parametrize("filler", ["[", "{", '{"nodes": [', '{"a":', '"', "\\", "x", '{"nodes": [{}], ', "[[[]]]"])
def test_a_huge_reply_is_refused_at_once(filler: str) -> None:
    began = time.process_time()
    with pytest.raises(DagError):
        read(filler * (2_000_000 // len(filler)))
    assert time.process_time() - began < 1.0, "quadratic reading would take minutes"


def part(task: str, *needs: str) -> Node:
    return Node("9", task, needs, "")


@pytest.mark.parametrize(
    ("task", "answers", "said", "named"),
    [
        ("Double $1.", {"1": "21"}, "Double 21.", {"1"}),
        ("Add $1 and $2.", {"1": "a", "2": "b"}, "Add a and b.", {"1", "2"}),
        ("Add $2, $1 and $1", {"1": "a", "2": "b"}, "Add b, a and a", {"1", "2"}),
        ("Add $1 and $10.", {"1": "a", "10": "b"}, "Add a and b.", {"1", "10"}),
        ("Take $10.", {"1": "a", "10": "b"}, "Take b.", {"10"}),
        ("Take $1-$2.", {"1": "a", "2": "b"}, "Take a-b.", {"1", "2"}),
        ("Take $a-b and $a.", {"a": "x", "a-b": "y"}, "Take y and x.", {"a", "a-b"}),
        ("Take $1 and $2.", {"1": "costs $2", "2": "$1"}, "Take costs $2 and $1.", {"1", "2"}),
        ("Take $1.", {"1": r"C:\1\g<0> \\"}, r"Take C:\1\g<0> \\.", {"1"}),
        ("Is $1.50 or $1,000 or $1x more?", {"1": "a"}, "Is $1.50 or $1,000 or $1x more?", set()),
        ("Take $3.", {"1": "a"}, "Take $3.", set()),
        ("Take 1.", {"1": "a"}, "Take 1.", set()),
        ("Take $1.", {}, "Take $1.", set()),
    ],
)
def test_answers_stand_where_the_task_names_their_parts(
    task: str, answers: dict[str, str], said: str, named: set[str]
) -> None:
    assert part(task, *answers).substitute(answers) == (said, named)


def test_a_part_that_a_task_names_is_needed_even_if_the_plan_forgets_to_say_so() -> None:
    text = '{"nodes": [{"id": "b", "task": "Add 1 to $a, at $1.50."}, {"id": "a", "task": "What is 2 + 2?"}]}'
    assert [(node.id, node.needs) for node in read(text)] == [("a", ()), ("b", ("a",))]
