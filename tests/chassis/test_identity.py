"""API keys: who may call, and how little a stranger learns."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from chassis.identity import Client, Keys, create_key, load_pepper, read_keys, revoke_key

from .conftest import PEPPER

if TYPE_CHECKING:
    from pathlib import Path

_SECRET = "s" * 43


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "keys.json"


def key_id(key: str) -> str:
    return key.split("_")[2]


def test_a_key_lets_its_owner_in_and_is_listed_without_its_secret(file: Path, keys: Keys) -> None:
    key = create_key(file, PEPPER, "laptop")
    assert keys.check(f"Bearer {key}") == Client(key_id(key), key)
    (record,) = read_keys(file).values()
    assert (record.id, record.name, record.expires, record.revoked) == (key_id(key), "laptop", None, None)


def test_a_client_carries_its_key_and_never_shows_it(file: Path, keys: Keys) -> None:
    key = create_key(file, PEPPER, "laptop")
    client = keys.check(f"bearer   {key}")
    assert client
    assert client.key == key
    assert key_id(key) in repr(client)
    assert key.split("_", 3)[3] not in f"{client!r} {client} {[client]}"


def test_the_file_holds_a_keyed_digest_and_nothing_of_the_secret(file: Path) -> None:
    key = create_key(file, PEPPER, "laptop")
    text = file.read_text()
    (entry,) = json.loads(text)["keys"]
    assert entry["digest"] == hmac.new(PEPPER, key.encode(), hashlib.sha256).hexdigest()
    secret = key.split("_", 3)[3]
    assert secret not in text
    assert hashlib.sha256(key.encode()).hexdigest() not in text
    assert file.stat().st_mode & 0o777 == 0o600


def test_keys_are_random_and_have_the_documented_shape(file: Path) -> None:
    made = {create_key(file, PEPPER, "a") for _ in range(20)}
    assert len(made) == len(read_keys(file)) == 20
    assert all(re.fullmatch(r"prysm_sk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", key) for key in made)


def test_a_key_of_another_pepper_is_nobodys(file: Path) -> None:
    key = create_key(file, b"q" * 32, "laptop")
    assert Keys(file, PEPPER).check(f"Bearer {key}") is None


def test_a_revoked_key_is_refused_and_stays_revoked(file: Path) -> None:
    key, other = create_key(file, PEPPER, "a"), create_key(file, PEPPER, "b")
    keys = Keys(file, PEPPER)
    assert keys.check(f"Bearer {key}")
    assert revoke_key(file, key_id(key))
    assert keys.check(f"Bearer {key}") is None
    assert keys.check(f"Bearer {other}") == Client(key_id(other), other)
    first = read_keys(file)[key_id(key)].revoked
    assert revoke_key(file, key_id(key))
    assert read_keys(file)[key_id(key)].revoked == first
    assert not revoke_key(file, "0" * 16)


def test_a_key_expires_to_the_second(file: Path) -> None:
    key = create_key(file, PEPPER, "a", expires=1_900_000_000)
    assert Keys(file, PEPPER, lambda: 1_899_999_999.9).check(f"Bearer {key}")
    assert Keys(file, PEPPER, lambda: 1_900_000_000.0).check(f"Bearer {key}") is None


_GOOD = f"prysm_sk_{'0' * 16}_{_SECRET}"
_STRANGE = {
    "nothing": "",
    "no scheme": _GOOD,
    "another scheme": f"Basic {_GOOD}",
    "no blank": f"Bearer{_GOOD}",
    "a tab": f"Bearer\t{_GOOD}",
    "a blank before": f" Bearer {_GOOD}",
    "a blank after": f"Bearer {_GOOD} ",
    "a newline after": f"Bearer {_GOOD}\n",
    "two keys": f"Bearer {_GOOD} {_GOOD}",
    "two keys with a comma": f"Bearer {_GOOD},{_GOOD}",
    "the scheme alone": "Bearer",
    "the scheme and a blank": "Bearer ",
    "another prefix": f"Bearer sk_{'0' * 16}_{_SECRET}",
    "no id": f"Bearer prysm_sk__{_SECRET}",
    "a short id": f"Bearer prysm_sk_0_{_SECRET}",
    "a long id": f"Bearer prysm_sk_{'0' * 33}_{_SECRET}",
    "no secret": f"Bearer prysm_sk_{'0' * 16}_",
    "a short secret": f"Bearer prysm_sk_{'0' * 16}_{'s' * 31}",
    "a long secret": f"Bearer prysm_sk_{'0' * 16}_{'s' * 129}",
    "NUL": f"Bearer prysm_sk_{'0' * 16}_{'s' * 40}\x00",
    "SQL": "Bearer ' OR 1=1--",
    "SQL in the key": f"Bearer prysm_sk_{'0' * 16}_{'s' * 32}' OR 1=1--",
    "non-ASCII": f"Bearer prysm_sk_{'é' * 16}_{_SECRET}",
    "digits of another script": f"Bearer prysm_sk_{'٣' * 16}_{_SECRET}",
    "half a pair": f"Bearer prysm_sk_{'0' * 16}_{'s' * 40}\ud800",
    "a path": f"Bearer prysm_sk_../../etc/passwd_{_SECRET}",
    "a mebibyte of key": "Bearer prysm_sk_0000000000000000_" + "s" * (1 << 20),
    "a mebibyte of blanks": "Bearer " + " " * (1 << 20),
    "a mebibyte of blanks within": "Bearer " + " a" * (1 << 19),
    "a mebibyte of anything": "\x01" * (1 << 20),
}


@pytest.mark.parametrize("authorization", _STRANGE.values(), ids=_STRANGE.keys())
def test_what_is_no_key_is_nobody(file: Path, authorization: str) -> None:
    create_key(file, PEPPER, "a")
    assert Keys(file, PEPPER).check(authorization) is None


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_the_scheme_may_be_written_in_any_case(file: Path, keys: Keys, scheme: str) -> None:
    key = create_key(file, PEPPER, "a")
    assert keys.check(scheme + key)


def test_whatever_is_wrong_takes_one_hmac(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = create_key(file, PEPPER, "a")
    revoked = create_key(file, PEPPER, "b")
    revoke_key(file, key_id(revoked))
    keys = Keys(file, PEPPER)
    made: list[bytes] = []
    real = hmac.new

    def counted(*args: Any) -> Any:
        made.append(args[1])
        return real(*args)

    monkeypatch.setattr(hmac, "new", counted)
    wrong_secret, unknown_id = key[:-1] + ("a" if key[-1] != "a" else "b"), _GOOD
    for sent in (key, wrong_secret, unknown_id, revoked, "", "x" * 100):
        made.clear()
        assert (keys.check(f"Bearer {sent}") is None) == (sent != key)
        assert len(made) == 1, sent


def test_a_new_file_is_in_force_at_once(file: Path) -> None:
    keys = Keys(file, PEPPER, lambda: 1_800_000_000.0)
    assert keys.check("") is None
    key = create_key(file, PEPPER, "a")
    assert keys.check(f"Bearer {key}")
    revoke_key(file, key_id(key))
    assert keys.check(f"Bearer {key}") is None


_BROKEN = {
    "empty": "",
    "half": '{"keys": [{"id": "0',
    "another type": "[]",
    "no keys": "{}",
    "a key that is none": '{"keys": [1]}',
    "a field too many": '{"keys": [{"id": "a", "name": "", "digest": "", "created": 0, "admin": true}]}',
    "a field too few": '{"keys": [{"id": "a"}]}',
    "a digest that is no text": '{"keys": [{"id": "a", "name": "", "digest": null, "created": 0}]}',
    "a digest that is no hex": '{"keys": [{"id": "a", "name": "", "digest": "é", "created": 0}]}',
    "a time that is no number": '{"keys": [{"id": "a", "name": "", "digest": "", "created": 0, "expires": "soon"}]}',
    "an id that is a list": '{"keys": [{"id": [], "name": "", "digest": "", "created": 0}]}',
    "too deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", _BROKEN.values(), ids=_BROKEN.keys())
def test_the_last_good_file_stays_in_force_when_the_new_one_is_broken(file: Path, text: str) -> None:
    key = create_key(file, PEPPER, "a")
    keys = Keys(file, PEPPER)
    assert keys.check(f"Bearer {key}")
    good = file.read_text()
    file.write_text(text)
    with capture_logs() as logs:
        assert keys.check(f"Bearer {key}")
        assert keys.check(f"Bearer {_GOOD}") is None
    assert [line["event"] for line in logs] == ["keys_file_unreadable"]
    with pytest.raises(ValueError, match="is not a key file"):
        create_key(file, PEPPER, "b")
    assert file.read_text() == text  # nothing is made of what can't be read
    file.write_text(good)
    revoke_key(file, key_id(key))
    assert keys.check(f"Bearer {key}") is None


def test_bytes_that_are_no_text_are_no_key_file(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="is not a key file"):
        read_keys(file)


def test_without_a_file_nobody_gets_in(file: Path) -> None:
    key = create_key(file, PEPPER, "a")
    keys = Keys(file, PEPPER)
    assert keys.check(f"Bearer {key}")
    file.unlink()
    assert keys.check(f"Bearer {key}") is None
    assert Keys(file, PEPPER).check(f"Bearer {key}") is None


def test_the_pepper_is_made_once_for_its_owner_alone(folder: Path) -> None:
    path = folder / "pepper"
    pepper = load_pepper(path)
    assert len(pepper) == 32
    assert load_pepper(path) == pepper
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in folder.iterdir()] == ["pepper"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_pepper_that_others_may_read_is_refused(folder: Path, mode: int) -> None:
    load_pepper(folder / "pepper")
    (folder / "pepper").chmod(mode)
    with pytest.raises(PermissionError, match="0600"):
        load_pepper(folder / "pepper")


@pytest.mark.parametrize("text", [b"", b"00" * 31, b"zz" * 32, b"\xff" * 64], ids=repr)
def test_what_is_no_pepper_is_refused(folder: Path, text: bytes) -> None:
    path = folder / "pepper"
    path.touch(0o600)
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"pepper must hold 32 bytes in hex$"):
        load_pepper(path)
