"""Several processes at once at the key file and the pepper."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from chassis.identity import load_pepper, read_keys

from .conftest import PEPPER

if TYPE_CHECKING:
    from pathlib import Path

_PROCESSES = 4
_CREATE = f"""
for _ in range(10):
    print(identity.create_key(path, {PEPPER!r}, 'a'))
"""
_PEPPER = "print(*(identity.load_pepper(path.with_name(f'pepper-{attempt}')).hex() for attempt in range(50)))"


def at_once(path: Path, code: str) -> list[str]:
    """Run the code in several processes, let loose together once all have started, and return what each printed."""
    prelude = "import sys, pathlib; from chassis import identity; path = pathlib.Path(sys.argv[1]); print(flush=True);"
    command = [sys.executable, "-c", f"{prelude} sys.stdin.read()\n{code}", str(path)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(_PROCESSES)
    ]
    for process in running:
        assert process.stdout
        process.stdout.readline()
    for process in running:
        assert process.stdin
        process.stdin.close()
    told = [process.stdout.read() for process in running if process.stdout]
    assert [process.wait() for process in running] == [0] * _PROCESSES
    for process in running:
        assert process.stdout
        process.stdout.close()
    return told


def test_no_key_is_lost_when_many_are_made_at_once(folder: Path) -> None:
    path = folder / "keys.json"
    made = [key for told in at_once(path, _CREATE) for key in told.split()]
    assert len(made) == 10 * _PROCESSES
    assert {key.split("_")[2] for key in made} == read_keys(path).keys()


def test_all_who_start_at_once_get_the_same_peppers(folder: Path) -> None:
    (told,) = set(at_once(folder / "keys.json", _PEPPER))
    assert told.split() == [load_pepper(folder / f"pepper-{attempt}").hex() for attempt in range(50)]
