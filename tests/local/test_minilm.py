"""The embedding model with its real weights, held against published figures and a slow, plain calculation."""

from __future__ import annotations

import itertools
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from executor.measure import SAME, similarity
from local import safetensors
from local.minilm import MOST_PIECES, MiniLM, gelu
from local.safetensors import TensorError

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.models

#: Of the README of sentence-transformers, where all-MiniLM-L6-v2 runs under PyTorch.
WEATHER = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")
PUBLISHED = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}
TEXTS = [
    "",
    "a",
    *WEATHER,
    "World War II ended in 1945.",
    "Ça alors, naïve façade — 東京は日本の首都です 👩‍👩‍👧 \u202eabc\u0000\ufffd",
    "Donaudampfschifffahrtsgesellschaftskapitän " * 12,
]


@pytest.fixture(scope="module")
def model(embedder_files: tuple[Path, ...]) -> MiniLM:
    return MiniLM(*embedder_files)


def cosine(model: MiniLM, left: str, right: str) -> float:
    return float(model.embed(left).values @ model.embed(right).values)


def slowly(tensors: dict[str, Any], ids: Sequence[int]) -> Any:
    """Calculate a vector in float64, a head and a piece at a time, with the library's erf."""
    tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}

    def norm(x: Any, name: str) -> Any:
        rows = [(row - row.mean()) / math.sqrt(row.var() + 1e-12) for row in x]
        return np.array(rows) * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def linear(x: Any, name: str) -> Any:
        return np.array([tensors[f"{name}.weight"] @ row + tensors[f"{name}.bias"] for row in x])

    x = np.array(
        [
            tensors["embeddings.word_embeddings.weight"][word]
            + tensors["embeddings.position_embeddings.weight"][place]
            + tensors["embeddings.token_type_embeddings.weight"][0]
            for place, word in enumerate(ids)
        ]
    )
    x = norm(x, "embeddings.LayerNorm")
    for number in range(6):
        layer = f"encoder.layer.{number}"
        query, key, value = (linear(x, f"{layer}.attention.self.{name}") for name in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for head, place in itertools.product(range(12), range(len(ids))):
            part = slice(32 * head, 32 * head + 32)
            weights = np.exp(key[:, part] @ query[place, part] / math.sqrt(32))
            mixed[place, part] = weights @ value[:, part] / weights.sum()
        x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = linear(x, f"{layer}.intermediate.dense")
        wide = wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2))) / 2
        x = norm(x + linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize(("pair", "published"), PUBLISHED.items())
def test_similarities_are_those_that_are_published_for_the_model(
    model: MiniLM, pair: tuple[int, int], published: float
) -> None:
    assert cosine(model, *(WEATHER[index] for index in pair)) == pytest.approx(published, abs=6e-5)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:20]))
def test_a_vector_is_what_a_plain_calculation_gives(model: MiniLM, embedder_files: tuple[Path, ...], text: str) -> None:
    vector = model.embed(text)
    plain = slowly(safetensors.read(embedder_files[0]), model.pieces(text))
    assert vector.values.dtype == np.float32
    assert vector.values.shape == (384,)
    assert float(np.abs(vector.values - plain).max()) < 2e-6
    assert float(np.linalg.norm(vector.values)) == pytest.approx(1, abs=1e-6)


def test_gelu_is_exact_to_float32() -> None:
    x = np.linspace(-12, 12, 4001, dtype=np.float32)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x.tolist()]
    assert float(np.abs(gelu(x) - exact).max()) < 1e-6


def test_years_and_polarity_are_hardly_seen(model: MiniLM) -> None:
    assert cosine(model, "World War II ended in 1945.", "World War II ended in 1918.") == pytest.approx(0.852, abs=0.02)
    assert cosine(model, "Yes, it is safe to eat.", "No, it is not safe to eat.") > SAME


def test_word_pieces_are_those_of_the_vocabulary(model: MiniLM) -> None:
    assert model.pieces("") == [101, 102]
    assert model.pieces("Hello, world!") == [101, 7592, 1010, 2088, 999, 102]
    assert model.pieces("HÉLLO") == model.pieces("hello")


def test_what_stands_after_the_256th_word_piece_does_not_count(model: MiniLM) -> None:
    room = MOST_PIECES - 2
    whole, longer = model.embed("word " * room), model.embed("word " * room + "entirely different")
    assert whole.pieces == longer.pieces == MOST_PIECES
    assert np.array_equal(whole.values, longer.values)
    assert not np.array_equal(model.embed("word " * (room - 1) + "different").values, whole.values)


def test_a_text_of_a_megabyte_is_cut_before_it_is_split(model: MiniLM) -> None:
    assert np.array_equal(model.embed("word " * 200_000).values, model.embed("word " * 400).values)


def test_a_vector_does_not_depend_on_what_was_asked_before(model: MiniLM) -> None:
    first = model.embed(WEATHER[0]).values
    model.embed("word " * 300)
    assert np.array_equal(model.embed(WEATHER[0]).values, first)


def test_files_that_are_something_else_are_one_error(embedder_files: tuple[Path, ...], tmp_path: Path) -> None:
    weights, tokenizer = embedder_files
    (tmp_path / "other").write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(TensorError, match="other is no such model"):
        MiniLM(tmp_path / "other", tokenizer)
    with pytest.raises(TensorError, match="other is no tokenizer"):
        MiniLM(weights, tmp_path / "other")


def test_the_threshold_tells_hard_pairs_apart_as_well_as_is_written_beside_it(model: MiniLM) -> None:
    pairs = tomllib.loads(Path(__file__).with_name("answer_pairs.toml").read_text("utf-8"))
    texts = list({text for kind in pairs.values() for pair in kind for text in pair})
    near = similarity(texts, [model.embed(text).values.tolist() for text in texts])
    found = sum(near(*pair) >= SAME for pair in pairs["same"])
    wrong = sum(near(*pair) >= SAME for pair in pairs["different"])
    assert (len(pairs["same"]), len(pairs["different"])) == (40, 42)
    assert (found, wrong) == (29, 13)
