"""OpenAI's embeddings: which requests are read, and what an answer looks like."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from local.chat import ChatError
from local.embeddings import MOST_TEXTS, answer, parse


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "m", "input": "Hi", **changes}).encode()


CHUNKS = [{"vector": [0.5, -1.0], "pieces": 3}, {"vector": [0.0, 2.0], "pieces": 4}]


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({}, ["Hi"]),
        ({"input": ["a", "b", "a"]}, ["a", "b", "a"]),
        ({"input": " "}, [" "]),
        ({"user": "me", "dimensions": None, "encoding_format": None}, ["Hi"]),
        ({"input": ["x"] * MOST_TEXTS}, ["x"] * MOST_TEXTS),
    ],
)
def test_a_text_or_several_are_read(changes: dict[str, Any], texts: list[str]) -> None:
    ask = parse(body(**changes))
    assert (ask.model, ask.texts, ask.encoding) == ("m", texts, "float")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the body is not JSON"),
        (b"[]", "the body must be a JSON object"),
        (b'{"input": "x"}', "model: must be a model's id"),
        (body(model=7), "model: must be a model's id"),
        (b'{"model": "m"}', "input: must be a string or a list of strings"),
        (body(input=7), "input: must be a string or a list of strings"),
        (body(input=[1, 2]), "input: must be a string or a list of strings"),
        (body(input=[[1, 2]]), "input: must be a string or a list of strings"),
        (body(input=["x", None]), "input: must be a string or a list of strings"),
        (body(input=[]), "input: must be from 1 to 256 texts"),
        (body(input=["x"] * (MOST_TEXTS + 1)), "input: must be from 1 to 256 texts"),
        (body(input=""), "input: must not hold an empty string"),
        (body(input=["x", ""]), "input: must not hold an empty string"),
        (body(input="\ud800"), "input: must be Unicode text without lone surrogates"),
        (body(encoding_format="int8"), "encoding_format: must be float or base64"),
        (body(encoding_format=["float"]), "encoding_format: must be float or base64"),
        (body(dimensions=64), "dimensions: not offered here"),
    ],
)
def test_a_request_that_is_none_is_refused_with_400_and_says_why(raw: bytes, message: str) -> None:
    with pytest.raises(ChatError) as refusal:
        parse(raw)
    assert (refusal.value.status, str(refusal.value)) == (400, message)


def test_an_answer_has_a_vector_a_text_in_order_and_counts_word_pieces() -> None:
    assert answer(parse(body(input=["a", "b"])), CHUNKS) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [0.0, 2.0]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def test_base64_holds_the_same_numbers_as_little_endian_float32() -> None:
    said = answer(parse(body(input=["a", "b"], encoding_format="base64")), CHUNKS)
    assert struct.unpack("<2f", base64.b64decode(said["data"][1]["embedding"])) == (0.0, 2.0)
