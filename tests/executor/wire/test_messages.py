"""The conversation as it comes in: strings and text parts, roles, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from chassis.errors import ServiceError
from executor.chat import Message
from executor.wire.incoming import read_messages
from openprysm.orchestration.v2 import orchestration_pb2 as pb

HI = {"role": "user", "content": "Hi"}


def read(*messages: Any) -> tuple[Message, ...]:
    return read_messages(json_format.Parse(json.dumps({"messages": messages}), pb.OrchestrateRequest()).messages)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def refusal(*messages: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        read(*messages)
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return caught.value.reason, caught.value.message


def test_a_conversation_is_read_in_order() -> None:
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]
    assert read(*({"role": role, "content": text} for role, text in turns)) == tuple(Message(*turn) for turn in turns)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Hi", "Hi"),
        (" \n Hi \0 \U0001f600", " \n Hi \0 \U0001f600"),
        ([{"type": "text", "text": "Hi"}], "Hi"),
        ([{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}], "Hi\nthere"),
        ([{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}], "Hi"),
    ],
)
def test_content_is_a_string_or_text_parts(content: Any, text: str) -> None:
    assert read(user(content)) == (Message("user", text),)


def test_no_messages_have_an_error_of_their_own() -> None:
    assert refusal() == ("no_messages", "messages[] must not be empty")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (7, "messages[1].content: must be a string or a list of text parts"),
        (True, "messages[1].content: must be a string or a list of text parts"),
        (None, "messages[1].content: must be a string or a list of text parts"),
        ({"type": "text", "text": "Hi"}, "messages[1].content: must be a string or a list of text parts"),
        (["Hi"], "messages[1].content[0].type: must be text; other parts are not supported"),
        ([None], "messages[1].content[0].type: must be text; other parts are not supported"),
        ([{"text": "Hi"}], "messages[1].content[0].type: must be text; other parts are not supported"),
        ([{"type": "text"}], "messages[1].content[0].text: must be a string"),
        ([{"type": "text", "text": 7}], "messages[1].content[0].text: must be a string"),
        ([{"type": "text", "text": None}], "messages[1].content[0].text: must be a string"),
        (
            [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}],
            "messages[1].content[1].type: must be text; other parts are not supported",
        ),
    ],
    ids=str,
)
def test_other_content_is_refused_by_its_place(content: Any, named: str) -> None:
    assert refusal(HI, user(content)) == ("invalid_request", named)


def test_content_that_is_absent_is_refused() -> None:
    assert refusal({"role": "user"})[1].startswith("messages[0].content: ")


@pytest.mark.parametrize("role", ["", "User", "tool", "developer", "user ", "system\0", None])
def test_other_roles_are_refused(role: Any) -> None:
    reason, message = refusal(HI, {"role": role, "content": "x"})
    assert reason == "invalid_request"
    assert message == "messages[1].role: must be one of system, user, assistant"


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "Hi"}],
        [{"role": "assistant", "content": "Hi"}],
        [user("")],
        [user(" \n\t\u2003")],
        [user([])],
        [user([{"type": "text", "text": ""}])],
        [user(" "), {"role": "assistant", "content": "Hi"}],
    ],
    ids=str,
)
def test_a_user_has_to_say_something(messages: list[Any]) -> None:
    assert refusal(*messages) == ("invalid_request", "messages: must hold a user message with text")


def test_256_messages_are_read_and_257_are_not() -> None:
    assert len(read(*[HI] * 256)) == 256
    assert refusal(*[HI] * 257) == ("invalid_request", "messages: must be at most 256")
