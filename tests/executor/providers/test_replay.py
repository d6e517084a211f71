"""Recorded answers as a provider."""

from __future__ import annotations

import pytest

from executor.chat import CallError, ChatReply, ChatRequest, Message
from executor.providers.replay import Replay, index
from executor.recording import Question, tokens

ANSWERS = index([Question("1", "t", "How many?", "4", {"a": "It is four.", "b": ""})])


def ask(*texts: str, model: str = "a") -> ChatRequest:
    roles = ("user", "assistant", "user")
    return ChatRequest(model, tuple(map(Message, roles, texts)), 1, 2.0)


async def test_a_model_says_again_what_it_said_with_estimated_tokens() -> None:
    heard: list[str] = []
    reply = await Replay(ANSWERS).chat(ask("How many?"), heard.append)
    assert reply == ChatReply("It is four.", "stop", tokens("How many?"), tokens("It is four."))
    assert heard == ["It is four."]
    assert (tokens(""), tokens("abcd"), tokens("abcde")) == (0, 1, 2)


async def test_an_empty_answer_is_one() -> None:
    assert (await Replay(ANSWERS).chat(ask("How many?", model="b"))).text == ""


async def test_a_system_message_makes_no_other_question_of_it() -> None:
    request = ChatRequest("a", (Message("system", "Be brief."), Message("user", "How many?")), 1, 0.0)
    assert (await Replay(ANSWERS).chat(request)).text == "It is four."


@pytest.mark.parametrize(
    "request_",
    [ask("Why?"), ask("How many?", model="c"), ask("How many?", "four", "Which one is right?")],
    ids=["question", "model", "something to write"],
)
async def test_what_was_not_recorded_is_refused(request_: ChatRequest) -> None:
    with pytest.raises(CallError) as caught:
        await Replay(ANSWERS).chat(request_)
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == ("rejected", False, False)


async def test_a_second_sample_is_refused_where_it_would_be_taken_for_a_witness() -> None:
    twice, once = Replay(ANSWERS), Replay(ANSWERS, once=True)
    for _ in range(2):
        assert (await twice.chat(ask("How many?"))).text
    assert (await once.chat(ask("How many?"))).text
    with pytest.raises(CallError):
        await once.chat(ask("How many?"))
