"""The measure: a cosine within bounds, whatever the vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.measure import SAME, similarity

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VECTORS = st.integers(1, 8).flatmap(lambda n: st.tuples(*[st.lists(NUMBERS, min_size=n, max_size=n)] * 2))


@pytest.mark.parametrize(
    ("left", "right", "near"),
    [
        ([1, 0], [1, 0], 1.0),
        ([1, 0], [7, 0], 1.0),
        ([1, 0], [1, 1], 0.5**0.5),
        ([3, 4], [4, 3], 0.96),
        ([1, 0], [0, 1], 0.0),
        ([1, 0], [-1, 0], 0.0),
        ([0, 0], [1, 0], 0.0),
        ([0, 0], [0, 0], 0.0),
        ([1e300, 0], [1e-300, 0], 1.0),
    ],
)
def test_similarity_is_the_cosine_and_never_below_0(left: list[float], right: list[float], near: float) -> None:
    assert similarity(["a", "b"], [left, right])("a", "b") == pytest.approx(near)


def test_a_text_is_the_same_as_itself_even_without_a_direction() -> None:
    assert similarity(["a"], [[0.0]])("a", "a") == 1.0


@given(VECTORS)
def test_any_vectors_give_a_symmetric_figure_from_0_to_1(vectors: tuple[list[float], list[float]]) -> None:
    near = similarity(["a", "b"], vectors)
    assert 0.0 <= near("a", "b") == near("b", "a") <= 1.0


@given(VECTORS, st.floats(0.001, 1000))
def test_the_length_of_a_vector_does_not_matter(vectors: tuple[list[float], list[float]], factor: float) -> None:
    left, right = ([max(-1e9, min(1e9, round(value, 3))) for value in vector] for vector in vectors)
    longer = [value * factor for value in left]
    assert similarity(["a", "b"], [longer, right])("a", "b") == pytest.approx(
        similarity(["a", "b"], [left, right])("a", "b"), abs=1e-9
    )


@pytest.mark.parametrize("pair", [("a", "x"), ("x", "a"), ("x", "x")])
def test_a_text_that_was_not_given_is_not_measured(pair: tuple[str, str]) -> None:
    with pytest.raises(KeyError):
        similarity(["a"], [[1.0]])(*pair)


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0], [1.0], [1.0]], [[1.0], [1.0, 2.0]]])
def test_each_text_has_a_vector_and_all_have_one_length(vectors: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"length|argument"):
        similarity(["a", "b"], vectors)


def test_no_text_is_no_failure() -> None:
    with pytest.raises(KeyError):
        similarity([], [])("a", "b")


def test_the_threshold_is_a_similarity() -> None:
    assert 0 < SAME < 1
