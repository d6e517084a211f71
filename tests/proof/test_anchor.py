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
    for size in (1, 2, 3):
        head = Checkpoint("log.example", size, bytes(32))
        anchor.write(log_signer.sign(head))
        assert anchor.read() == head
    anchor.close()
    assert Anchor(folder / "anchor", log_signer.key).read() == head
    assert [path.name for path in folder.iterdir()] == ["anchor"]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_what_is_half_written_leaves_the_one_before(folder: Path, log_signer: LogSigner, size: int) -> None:
    path = folder / "anchor"
    anchor = Anchor(path, log_signer.key)
    for written in range(1, size + 1):
        anchor.write(log_signer.sign(Checkpoint("log.example", written, bytes(32))))
    anchor.close()
    newest = path.read_bytes().index(f"\n{size}\n".encode())
    with path.open("r+b") as file:
        file.seek(newest)
        file.write(b"\0" * 60)
    again = Anchor(path, log_signer.key)
    if size == 1:
        with pytest.raises(AnchorError):
            again.read()
        return
    assert again.read() == Checkpoint("log.example", size - 1, bytes(32))
    again.write(log_signer.sign(Checkpoint("log.example", size, bytes(32))))
    assert again.read() == Checkpoint("log.example", size, bytes(32))
    again.close()


def test_a_checkpoint_that_a_client_has_kept_is_read_too(folder: Path, log_signer: LogSigner) -> None:
    head = Checkpoint("log.example", 7, bytes(32))
    (folder / "kept").write_text(log_signer.sign(head))
    anchor = Anchor(folder / "kept", log_signer.key)
    assert anchor.read() == head
    anchor.write(log_signer.sign(Checkpoint("log.example", 8, bytes(32))))
    assert anchor.read() == Checkpoint("log.example", 8, bytes(32))
    anchor.close()


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
