"""RFC 8785's vectors: those in its text, and its author's files, which the library's source archive holds."""

from __future__ import annotations

import json
import math
import os
import re
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from chassis import canonical

_LOCK = Path(__file__).parents[2] / "requirements" / "run.txt"
_NAMES = ("arrays", "french", "structures", "unicode", "values", "weird")
#: Appendix B: IEEE 754 in hex, and its text.
_NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.fixture(scope="session")
def vectors(request: pytest.FixtureRequest) -> Path:
    """Return the folder of the vectors, out of the archive that the lock names by its hash."""
    folder = Path(request.config.cache.mkdir("rfc8785-vectors"))
    found = next(iter(folder.glob("rfc8785-*/test/assets")), None)
    if found is None:
        (locked,) = re.findall(r"^rfc8785==\S+(?: \\\n +--hash=\S+)+", _LOCK.read_text(), re.MULTILINE)
        (folder / "locked.txt").write_text(locked)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "rfc8785"]
        command += ["--require-hashes", "--requirement", "locked.txt", "--dest", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode and not os.environ.get("CI"):
            pytest.skip("pip can't download the source archive of rfc8785; is its registry within reach?")
        assert not done.returncode, done.stderr[-500:]
        (archive,) = folder.glob("rfc8785-*.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        (found,) = folder.glob("rfc8785-*/test/assets")
    return found


def in_domain(value: Any) -> bool:
    """Tell whether our own encoder is meant for it: ASCII names, and no floats."""
    if isinstance(value, dict):
        return all(name.isascii() and in_domain(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(in_domain, value))
    return not isinstance(value, float)


@pytest.mark.parametrize("name", _NAMES)
def test_the_files_of_the_rfcs_author_have_his_canonical_form(vectors: Path, name: str) -> None:
    value = json.loads((vectors / "input" / f"{name}.json").read_bytes())
    wanted = bytes.fromhex((vectors / "outhex" / f"{name}.txt").read_text())
    assert wanted == (vectors / "output" / f"{name}.json").read_bytes()
    assert rfc8785.dumps(value) == wanted
    assert in_domain(value) == (name in {"arrays", "unicode"})
    if in_domain(value):
        assert canonical.dumps(value) == wanted


def test_the_example_in_the_rfc_has_the_form_that_it_shows() -> None:
    text = r'"\u20ac$\u000F\u000aA' + r"'\u0042\u0022\u005c\\\"\/" + '"'
    numbers = "[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]"
    given = f'{{"numbers":{numbers},"string":%s,"literals":[null,true,false]}}'
    wanted = '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":%s}'
    shown = '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'
    assert rfc8785.dumps(json.loads(given % text)).decode() == wanted % shown
    assert canonical.dumps(json.loads(text)).decode() == shown


@pytest.mark.parametrize(("bits", "text"), _NUMBERS.items())
def test_numbers_are_written_as_the_rfcs_appendix_b_says(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert rfc8785.dumps(number).decode() == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_form(number: float) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        rfc8785.dumps(number)
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical.dumps([number])
