from __future__ import annotations

from pathlib import Path

import pytest

from chassis.config import EX_CONFIG, load
from local.settings import LocalSettings


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF and more")
    return path


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("all", ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m"]),
        ("small", ["qwen2.5-coder-0.5b", "smollm2-135m"]),
        ("off", []),
        ("", ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m"]),
    ],
)
def test_which_embedded_models_are_served_is_one_word(
    monkeypatch: pytest.MonkeyPatch, value: str, ids: list[str]
) -> None:
    monkeypatch.setenv("OPENPRYSM_LOCAL_MODELS", value)
    assert [weights.id for weights in LocalSettings().embedded()] == ids


@pytest.mark.parametrize(
    ("value", "ids"), [("off", []), ("", []), ("local", ["all-minilm-l6-v2"]), ("bge=http://10.0.0.1/v1", [])]
)
def test_the_embedding_model_is_fetched_only_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, value: str, ids: list[str]
) -> None:
    monkeypatch.setenv("OPENPRYSM_LOCAL_MODELS", "off")
    monkeypatch.setenv("OPENPRYSM_EMBEDDINGS", value)
    assert [weights.id for weights in LocalSettings().needed()] == ids


def test_own_models_are_a_list_of_ids_and_files(monkeypatch: pytest.MonkeyPatch, gguf: Path) -> None:
    monkeypatch.setenv("OPENPRYSM_GGUF", f"mine={gguf}, org/other:1={gguf},")
    assert LocalSettings().gguf == {"mine": gguf, "org/other:1": gguf}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OPENPRYSM_LOCAL_MODELS", "some", "OPENPRYSM_LOCAL_MODELS: Input should be 'all', 'small' or 'off'"),
        ("OPENPRYSM_GGUF", "{gguf}", "must be id=/path/to/file.gguf"),
        ("OPENPRYSM_GGUF", "a={gguf},a={gguf}", "OPENPRYSM_GGUF: Value error, a is there twice"),
        ("OPENPRYSM_GGUF", "a=/nowhere.gguf", "/nowhere.gguf of a can't be read: No such file or directory"),
        ("OPENPRYSM_GGUF", "a=/", "/ of a can't be read: Is a directory"),
        ("OPENPRYSM_GGUF", f"a={__file__}", "is no GGUF file"),
        ("OPENPRYSM_GGUF", "smollm2-135m={gguf}", "smollm2-135m is an embedded model; choose another id"),
        ("OPENPRYSM_LOCAL_LISTEN", "somewhere", "OPENPRYSM_LOCAL_LISTEN: Value error, must be unix:/absolute/path"),
        ("OPENPRYSM_LOCAL_CONTEXT", "1", "OPENPRYSM_LOCAL_CONTEXT: Input should be greater than or equal to 256"),
        ("OPENPRYSM_LOCAL_THREADS", "0", "OPENPRYSM_LOCAL_THREADS: Input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gguf: Path, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value.format(gguf=gguf))
    with pytest.raises(SystemExit) as stop:
        load(LocalSettings)
    assert stop.value.code == EX_CONFIG
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_weights_are_kept_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENPRYSM_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert LocalSettings().weights == tmp_path / "openprysm" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert LocalSettings().weights == Path.home() / ".cache" / "openprysm" / "weights"
    monkeypatch.setenv("OPENPRYSM_WEIGHTS", "~/w")
    assert LocalSettings().weights == Path.home() / "w"


def test_threads_are_the_processors_that_may_be_used_but_not_more_than_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr("local.settings._CPU_LIMIT", limit)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    assert LocalSettings().threads() == (64, 4)
    limit.write_text("max 100000\n")
    assert LocalSettings().threads() == (64, 4)
    limit.write_text("250000 100000\n")
    assert LocalSettings().threads() == (3, 1)
    monkeypatch.setenv("OPENPRYSM_LOCAL_THREADS", "12")
    assert LocalSettings().threads() == (12, 12)
