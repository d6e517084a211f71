"""The file format: what is read, and that anything else is one error."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local import safetensors
from local.safetensors import TensorError

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = np.arange(6, dtype="<f4")


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **changes}


def write(path: Path, header: Any, body: bytes = NUMBERS.tobytes(), length: int | None = None) -> Path:
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    said = said.ljust(-len(said) % 8 + len(said))
    path.write_bytes((len(said) if length is None else length).to_bytes(8, "little") + said + body)
    return path


def test_float32_tensors_are_read_in_their_shape_and_others_left_out(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "a": entry(), "ids": entry(dtype="I64", shape=[3])}
    tensors = safetensors.read(write(tmp_path / "x", header))
    assert list(tensors) == ["a"]
    assert np.array_equal(tensors["a"], NUMBERS.reshape(2, 3))


def test_what_is_read_lies_in_the_file_and_can_not_be_written_to(tmp_path: Path) -> None:
    tensor = safetensors.read(write(tmp_path / "x", {"a": entry()}))["a"]
    assert not tensor.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        tensor[0] = 1


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"\xff",
        b"[" * 100_000,
        [],
        7,
        {"a": None},
        {"a": []},
        {"a": {}},
        {"a": {"dtype": "F32"}},
        {"a": entry(shape=[7])},
        {"a": entry(shape="x")},
        {"a": entry(data_offsets=[0, 23])},
        {"a": entry(data_offsets=[0])},
        {"a": entry(data_offsets=["0", "24"])},
        {"a": entry(data_offsets=[0, 2400])},
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_header_that_is_none_is_one_error(tmp_path: Path, header: Any) -> None:
    with pytest.raises(TensorError, match="x is no safetensors file"):
        safetensors.read(write(tmp_path / "x", header))


@pytest.mark.parametrize("length", [0, 1 << 20, 1 << 63])
def test_a_length_that_is_wrong_is_one_error(tmp_path: Path, length: int) -> None:
    with pytest.raises(TensorError):
        safetensors.read(write(tmp_path / "x", {"a": entry()}, length=length))


def test_a_file_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(TensorError):
        safetensors.read(tmp_path / "x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda rest: len(rest).to_bytes(8, "little") + rest))
def test_no_bytes_raise_anything_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with suppress(TensorError):
        assert safetensors.read(tmp_path / "x") == {}
