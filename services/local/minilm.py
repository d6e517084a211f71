"""all-MiniLM-L6-v2: a text's vector, computed with numpy.

BERT's encoder (Devlin et al., 2019) as distilled in MiniLM (Wang et al., 2020), then, as sentence-transformers does it
for this model: the mean over all word pieces, scaled to length 1. One text at a time, so there is no padding to mask,
and a vector does not depend on what is asked together with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from tokenizers import Tokenizer

from local import safetensors
from local.safetensors import TensorError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

#: Word pieces of a text that count, `[CLS]` and `[SEP]` among them: what the model was trained with.
MOST_PIECES: Final = 256
#: Characters that are read for them, so that a long text does not take a second to be cut.
_MOST_CHARACTERS: Final = 16_384
_LAYERS: Final = 6
_HEADS: Final = 12
_EPSILON: Final = np.float32(1e-12)

# float32 throughout: one float64 scalar would promote everything after it, at ten times the cost.
_ONE: Final = np.float32(1)
_HALF: Final = np.float32(0.5)
_SQRT_HALF: Final = np.float32(0.5**0.5)
#: Abramowitz & Stegun, 7.1.26: erf within 1.5e-7.
_ERF_P: Final = np.float32(0.3275911)
_ERF_A: Final = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))


@dataclass(frozen=True)
class Vector:
    """A text's place in the model's space."""

    #: 384 numbers, of length 1 together.
    values: Array
    #: Word pieces that were read.
    pieces: int


class _Linear:
    """x ↦ xWᵀ + b."""

    def __init__(self, *parts: tuple[Array, Array]) -> None:
        """Make one map of several that have the same input."""
        weights, biases = zip(*parts, strict=True)
        # A single weight stays where it is: in the file's pages, that the system may drop and read again.
        self._weight = (weights[0] if len(weights) == 1 else np.concatenate(weights)).T
        self._bias = np.concatenate(biases)

    def __call__(self, x: Array) -> Array:
        y: Array = x @ self._weight
        y += self._bias
        return y


class _Norm:
    """Layer normalisation."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: Array) -> Array:
        x -= x.mean(-1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[-1])
        x /= np.sqrt(variance + _EPSILON)
        x *= self._weight
        x += self._bias
        return x


def gelu(x: Array) -> Array:
    """Return x·Φ(x), of float32."""
    z = np.abs(x)
    z *= _SQRT_HALF
    t = _ONE / (_ONE + _ERF_P * z)
    z *= z
    tail = np.exp(np.negative(z, out=z), out=z)
    polynomial = _ERF_A[0] * t
    for coefficient in _ERF_A[1:]:
        polynomial += coefficient
        polynomial *= t
    tail *= polynomial  # 1 - erf(|x|/√2)
    tail *= _HALF
    # Φ(x) is 1 - tail for x ≥ 0 and tail below: so x·Φ(x) is max(x, 0) - |x|·tail for both.
    tail *= np.abs(x)
    y: Array = np.maximum(x, np.float32(0))
    y -= tail
    return y


class _Layer:
    """One block of the encoder: attention, then two linear maps, each added to its input and normalised."""

    def __init__(self, tensors: dict[str, Array], number: int) -> None:
        def pair(name: str) -> tuple[Array, Array]:
            name = f"encoder.layer.{number}.{name}"
            return tensors[f"{name}.weight"], tensors[f"{name}.bias"]

        self._project = _Linear(*(pair(f"attention.self.{name}") for name in ("query", "key", "value")))
        self._attended = _Linear(pair("attention.output.dense"))
        self._norm_attended = _Norm(*pair("attention.output.LayerNorm"))
        self._widen = _Linear(pair("intermediate.dense"))
        self._narrow = _Linear(pair("output.dense"))
        self._norm = _Norm(*pair("output.LayerNorm"))

    def __call__(self, x: Array) -> Array:
        """Map (pieces, 384) to the same shape."""
        pieces, width = x.shape
        size = width // _HEADS
        query, key, value = self._project(x).reshape(pieces, 3, _HEADS, size).transpose(1, 2, 0, 3)
        query = query * np.float32(size**-0.5)
        scores: Array = query @ key.transpose(0, 2, 1)  # (heads, pieces, pieces)
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(1, 0, 2).reshape(pieces, width)
        x = self._norm_attended(self._attended(mixed) + x)
        return self._norm(self._narrow(gelu(self._widen(x))) + x)


class MiniLM:
    """The model, its weights mapped from their file."""

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        """Load.

        Args:
            weights: model.safetensors.
            tokenizer: tokenizer.json.

        Raises:
            TensorError: a file is not what it should be.
        """
        tensors = safetensors.read(weights)
        try:
            self._words = tensors["embeddings.word_embeddings.weight"]
            segment = tensors["embeddings.token_type_embeddings.weight"][0]
            self._places = tensors["embeddings.position_embeddings.weight"][:MOST_PIECES] + segment
            self._norm = _Norm(tensors["embeddings.LayerNorm.weight"], tensors["embeddings.LayerNorm.bias"])
            self._layers = [_Layer(tensors, number) for number in range(_LAYERS)]
        except (KeyError, IndexError) as error:
            raise TensorError(f"{weights.name} is no such model: {error} is not there") from error
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the library raises nothing narrower
            raise TensorError(f"{tokenizer.name} is no tokenizer") from error
        # The file says 128 and fills up to them; the model's own limit is twice that.
        self._tokenizer.enable_truncation(MOST_PIECES)
        self._tokenizer.no_padding()

    def pieces(self, text: str) -> list[int]:
        """Return the ids of a text's word pieces, at most MOST_PIECES. The text has no lone surrogates."""
        ids: list[int] = self._tokenizer.encode(text[:_MOST_CHARACTERS]).ids
        return ids

    def embed(self, text: str) -> Vector:
        """Return a text's vector. The text has no lone surrogates."""
        ids = self.pieces(text)
        x = self._norm(self._words[ids] + self._places[: len(ids)])
        for layer in self._layers:
            x = layer(x)
        mean = x.mean(0)
        return Vector(mean / np.sqrt(mean @ mean), len(ids))
