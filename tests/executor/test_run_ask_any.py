"""Run.ask_any: one model after another until one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.reply import AllFailedError

if TYPE_CHECKING:
    from executor.conftest import Lab, World
    from executor.reply import Reply
    from executor.run import Run


def ask(world: World, run: Run, lab: Lab, names: str) -> Reply:
    return world.do(run.ask_any("answer", lab.models(names), lab.question))


def test_the_first_that_answers_is_the_last_that_is_asked(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task())
    assert ask(world, run, lab, "abc").text == "Paris"
    assert world.asked == ["a"]
    assert not run.degradations


def test_a_failure_is_followed_by_the_next_model_and_told(lab: Lab) -> None:
    script = {"a": [lab.fails("rejected")], "b": [lab.fails(transient=True)], "c": [lab.says("Paris")]}
    world = lab.world(script)
    run = world.run(lab.task())
    assert ask(world, run, lab, "abc").model.id == "c"
    assert world.asked == ["a", "b", "b", "c"]
    assert [(item.stage, item.reason, item.model) for item in run.degradations] == [
        ("answer", "rejected", "a"),
        ("answer", "unavailable", "b"),
    ]
    assert {item.action for item in run.degradations} == {"c was asked instead"}


def test_when_nobody_answers_every_failure_is_named_in_order(lab: Lab) -> None:
    script = {"a": [lab.fails("rejected")], "b": [lab.says("")], "c": [lab.fails("rejected")]}
    world = lab.world(script)
    run = world.run(lab.task())
    with pytest.raises(AllFailedError) as caught:
        ask(world, run, lab, "abc")
    found = [(model.id, error.reason) for model, error in caught.value.failures]
    assert found == [("a", "rejected"), ("b", "empty_answer"), ("c", "rejected")]
    assert str(caught.value) == "2 rejected, 1 empty_answer"
    assert not run.degradations


def test_nobody_to_ask_is_nobody_who_answers(lab: Lab) -> None:
    world = lab.world({})
    with pytest.raises(AllFailedError) as caught:
        ask(world, world.run(lab.task()), lab, "")
    assert caught.value.failures == ()


def test_a_model_that_hangs_leaves_time_for_the_others(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()], "b": [lab.hangs()], "c": [lab.says("Paris")]})
    run = world.run(lab.task(), deadline_s=100.0)
    assert ask(world, run, lab, "abc").model.id == "c"
    assert [stage.start_ms for stage in run.stages] == pytest.approx([0, 60_000, 84_000])


def test_the_last_model_gets_all_the_time_that_is_left(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()], "b": [lab.says("Paris", after_s=39.0)]})
    run = world.run(lab.task(), deadline_s=100.0)
    assert ask(world, run, lab, "ab").model.id == "b"


def test_all_hanging_ends_at_the_deadline(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()], "b": [lab.hangs()]})
    run = world.run(lab.task(), deadline_s=10.0)
    with pytest.raises(AllFailedError, match=r"^2 timeout$"):
        ask(world, run, lab, "ab")
    assert run.elapsed_ms() == pytest.approx(10_000)


def test_a_model_whose_breaker_is_open_is_passed_over(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("no")], "b": [lab.says("Paris")]})
    world.break_open("a")
    run = world.run(lab.task())
    assert ask(world, run, lab, "ab").model.id == "b"
    assert world.asked == ["b"]
    assert [(item.reason, item.model) for item in run.degradations] == [("circuit_open", "a")]


def test_a_model_whose_breaker_is_open_is_asked_when_all_others_failed(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")], "b": [lab.fails("rejected")]})
    world.break_open("a")
    run = world.run(lab.task())
    assert ask(world, run, lab, "ab").model.id == "a"
    assert world.asked == ["b", "a"]
    assert world.breakers.admits("a"), "its answer closes the breaker"


def test_a_model_that_answers_after_all_was_not_replaced(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")], "b": [lab.fails("rejected")]})
    world.break_open("a")
    run = world.run(lab.task())
    ask(world, run, lab, "ab")
    assert [(item.reason, item.model) for item in run.degradations] == [("rejected", "b")]


def test_when_every_breaker_is_open_the_models_are_asked_after_all_one_after_another(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("rejected")], "b": [lab.fails("rejected")]})
    world.break_open("a", "b")
    with pytest.raises(AllFailedError, match=r"^2 circuit_open, 2 rejected$"):
        ask(world, world.run(lab.task()), lab, "ab")
    assert world.asked == ["a", "b"]


def test_failures_open_a_breaker_for_the_next_request(lab: Lab) -> None:
    world = lab.world({"a": [lab.fails("unavailable")], "b": [lab.says("Paris")]})
    for _ in range(50):
        ask(world, world.run(lab.task()), lab, "ab")
    assert world.asked.count("a") < 50
    assert world.asked.count("b") == 50


def test_a_fault_of_ours_is_no_failure_of_a_model(lab: Lab) -> None:
    world = lab.world({"a": [lab.breaks(ZeroDivisionError())], "b": [lab.says("Paris")]})
    run = world.run(lab.task())
    with pytest.raises(ZeroDivisionError):
        ask(world, run, lab, "ab")
    assert [(stage.status, stage.error_reason) for stage in run.stages] == [("failed", "internal")]
    assert world.watcher.completed_stages == [(0, "failed")]


def test_a_fault_of_ours_gives_the_probe_s_place_back(lab: Lab) -> None:
    world = lab.world({"a": [lab.breaks(ZeroDivisionError())]})
    world.break_open("a")
    world.clock.now += 60.0
    with pytest.raises(ZeroDivisionError):
        ask(world, world.run(lab.task()), lab, "a")
    assert world.breakers.admits("a")
