"""Who has the floor, and what of an answer is said when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from executor.readings import BelowMarker
from executor.speech import Speech, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.conftest import Lab
    from executor.speech import Filter


def speech(new_filter: Callable[[], Filter] = Whole) -> tuple[Speech, list[str]]:
    said: list[str] = []
    return Speech(said.append, new_filter), said


def test_the_first_who_has_something_to_say_has_the_floor(lab: Lab) -> None:
    floor, said = speech()
    one, other = (floor.voice(model) for model in lab.models("ab"))
    assert not floor.begun.is_set()
    other("Pa")
    one("Rome")
    other("ris")
    assert said == ["Pa", "ris"]
    assert floor.begun.is_set()
    assert floor.speaker is other
    assert other.model.id == "b"
    assert (one.heard, other.heard) == (False, True)


def test_who_says_nothing_of_the_answer_leaves_the_floor_to_others(lab: Lab) -> None:
    floor, said = speech(BelowMarker)
    one, other = (floor.voice(model) for model in lab.models("ab"))
    one("They differ.\nFINAL ANSWER:\n")
    assert floor.speaker is None
    other("FINAL ANSWER: Paris")
    one("Rome")
    assert said == ["Paris"]
    assert not one.heard


def test_an_empty_piece_takes_no_floor(lab: Lab) -> None:
    floor, said = speech()
    voice = floor.voice(lab.model("a"))
    voice("")
    assert not voice.heard
    assert not floor.begun.is_set()
    assert said == []


def test_each_attempt_begins_its_text_anew(lab: Lab) -> None:
    floor, said = speech(BelowMarker)
    model = lab.model("a")
    first, second = floor.voice(model), floor.voice(model)
    first("They differ.\nFINAL")
    second(" ANSWER: Rome")
    second("\nFINAL ANSWER: Paris")
    assert said == ["Paris"]
    assert second.heard
    assert not first.heard, "the same model, and yet another attempt"


def test_nobody_is_asked_to_speak_when_nobody_listens(lab: Lab) -> None:
    world = lab.world({})
    assert world.run(lab.task()).speech() is None
    world.watcher.listens = True
    assert world.run(lab.task()).speech() is not None


@given(turns=st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3))))
def test_however_they_interrupt_each_other_one_alone_is_heard(lab: Lab, turns: list[tuple[int, str]]) -> None:
    floor, said = speech()
    voices = [floor.voice(model) for model in lab.models("abc")]
    for who, piece in turns:
        voices[who](piece)
    heard = [index for index, voice in enumerate(voices) if voice.heard]
    assert len(heard) <= 1
    assert "".join(said) == "".join(piece for who, piece in turns if who in heard)
