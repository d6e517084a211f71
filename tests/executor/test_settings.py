"""What the executor's environment may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from executor.providers.http import is_metadata_address
from executor.settings import ExecutorSettings


def read(**given: Any) -> ExecutorSettings:
    """Read the environment, and what is given as if it stood there."""
    return ExecutorSettings(**given)


METADATA = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "[fd00:ec2:0::254]",
    "[fe80::1]",
    "metadata.google.internal",
    "metadata.google.internal.",
]


@pytest.mark.parametrize("host", METADATA)
def test_no_provider_may_stand_at_a_metadata_service_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("OPENPRYSM_OPENAI_BASE_URL", f"http://{host}/v1")
    with pytest.raises(ValidationError, match="metadata"):
        read()


@pytest.mark.parametrize(
    "url",
    ["ftp://x/v1", "x/v1", "http://", "http://x:99999/v1", "http://x:abc/v1", "http://u:p@x/v1", "http://x/v1?a=b"],
)
def test_what_is_no_plain_base_url_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENPRYSM_XAI_BASE_URL", url)
    with pytest.raises(ValidationError, match="http"):
        read()


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "https://api.example.com/v1", "http://[::1]:8000/v1"])
def test_an_operators_own_address_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENPRYSM_MISTRAL_BASE_URL", url)
    monkeypatch.setenv("OPENPRYSM_MODELS", f"mine={url}")
    settings = read()
    assert settings.mistral_base_url == url
    assert settings.models == {"mine": url}


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("", "off"),
        ("off", "off"),
        (" local ", "local"),
        ("bge-m3 = http://10.0.0.1:8000/v1", ("bge-m3", "http://10.0.0.1:8000/v1")),
        ("org/model:7=https://x/v1", ("org/model:7", "https://x/v1")),
    ],
)
def test_who_makes_vectors_is_a_word_or_a_model_and_its_url(
    monkeypatch: pytest.MonkeyPatch, value: str, read_as: Any
) -> None:
    monkeypatch.setenv("OPENPRYSM_EMBEDDINGS", value)
    assert read().embeddings == read_as


@pytest.mark.parametrize(
    "value",
    ["on", "Local", "http://x/v1", "=http://x/v1", "m=", "m=x", "m=ftp://x", "m=http://u:p@x/v1", '{"a": 1}']
    + [f"m=http://{host}/v1" for host in METADATA],
)
def test_who_can_not_make_vectors_is_one_mistake(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OPENPRYSM_EMBEDDINGS", value)
    with pytest.raises(ValidationError) as caught:
        read()
    assert [mistake["loc"] for mistake in caught.value.errors()] == [("embeddings",)]


@pytest.mark.parametrize("value", [0, -0.1, 1.01, float("nan")])
def test_a_threshold_is_a_similarity(value: float) -> None:
    with pytest.raises(ValidationError):
        read(embeddings_same=value)


def test_a_keys_surrounding_white_space_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-x\n")
    key = read().openai_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-x"


@pytest.mark.parametrize("key", ["sk x", "sk\r\nx", "sk\0x"])
def test_a_key_of_several_lines_or_words_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(OPENAI_API_KEY=key)
    (mistake,) = caught.value.errors(include_input=False)
    assert key not in str(mistake)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "api.example.com", "::1", ""])
def test_other_addresses_are_nobodys_metadata(host: str) -> None:
    assert not is_metadata_address(host)


@pytest.mark.parametrize(
    ("value", "texts"), [("", False), ("NO_CONTENT", False), ("EVENT_ONLY", False), ("span_only", True), ("true", True)]
)
def test_texts_are_traced_when_opentelemetrys_own_variable_says_so(
    monkeypatch: pytest.MonkeyPatch, value: str, texts: bool
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    assert read().trace_content is texts


def test_a_word_that_is_no_place_for_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "everywhere")
    with pytest.raises(ValidationError, match="SPAN_ONLY"):
        read()
