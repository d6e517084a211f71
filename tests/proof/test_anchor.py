"""The checkpoint outside of the database: whole or not there, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.anchor import Anchor, AnchorError
from proof.note import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from proof.keys import LogSigner


def test_what_was_written_is_read(folder: Path, log_signer: LogSigner) -> None:
    anchor = Anchor(folder / "anchor", log_signer.key)
    assert anchor.read() is None
    for size in (1, 2):
        head = Checkpoint("log.example", size, bytes(32))
        anchor.write(log_signer.sign(head))
        assert anchor.read() == head
    assert [path.name for path in folder.iterdir()] == ["anchor"]


@pytest.mark.parametrize("left", ["nothing", "half", "another log's", "no text", "a folder"])
def test_what_is_no_checkpoint_of_this_log_is_an_error(folder: Path, log_signer: LogSigner, left: str) -> None:
    path = folder / "anchor"
    signed = log_signer.sign(Checkpoint("log.example", 1, bytes(32)))
    match left:
        case "nothing":
            path.write_text("")
        case "half":
            path.write_text(signed[: len(signed) // 2])
        case "another log's":
            path.write_text(signed.replace("log.example", "other.example"))
        case "no text":
            path.write_bytes(b"\xff\xfe")
        case "a folder":
            path.mkdir()
    with pytest.raises(AnchorError, match="is no checkpoint of this log"):
        Anchor(path, log_signer.key).read()


def test_a_disk_that_refuses_leaves_the_old_one(folder: Path, log_signer: LogSigner) -> None:
    anchor = Anchor(folder / "none" / "anchor", log_signer.key)
    with pytest.raises(OSError, match="No such file"):
        anchor.write("x")
