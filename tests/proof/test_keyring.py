"""Keys that change while the service runs: its own by the calendar, an operator's by their files."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from proof import bundle, rotation, trust, verify
from proof import notary as notaries
from proof.archive import Archive
from proof.keyring import GivenKeyring, OwnKeyring, follow
from proof.keys import FileSigner, KeyFileError, ensure_key_file, from_pem, keyid, to_pem
from proof.rotation import LEAD_S, KeyFiles, TooEarlyError

from .notaries import open_notary
from .records import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.keys import LogSigner
    from proof.notary import Notary

_DAY = 86_400
_PERIOD = 90 * _DAY
_START = 1_790_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = _START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(folder: Path) -> KeyFiles:
    return KeyFiles(folder / "proof-key.pem")


def own(files: KeyFiles, clock: Clock, period_s: float = _PERIOD) -> OwnKeyring:
    return OwnKeyring(files, period_s, clock)


def current(files: KeyFiles) -> str:
    return FileSigner(files.current).keyid


def following(files: KeyFiles) -> str:
    return FileSigner(files.next).keyid


def public(folder: Path) -> str:
    return keyid(from_pem((folder / "proof-key.pub.pem").read_bytes()))


def test_two_keys_are_made_at_the_first_start_and_both_are_published(
    folder: Path, files: KeyFiles, clock: Clock
) -> None:
    ring = own(files, clock)
    assert set(ring.tend((), ())) == {current(files), following(files)}
    assert ring.signer().keyid == current(files) == public(folder)
    assert files.next.stat().st_mode & 0o777 == 0o600
    assert own(files, clock).tend({current(files), following(files)}, ()) == {}


def test_a_key_signs_for_its_days_and_the_next_one_was_known_a_week_before(
    folder: Path, files: KeyFiles, clock: Clock
) -> None:
    ring = own(files, clock)
    known: dict[str, float] = dict.fromkeys(ring.tend((), ()), clock.now)
    used = Counter[str]()
    for _ in range(400):
        clock.now += _DAY
        known |= dict.fromkeys(ring.tend(known, ()), clock.now)
        name = ring.signer().keyid
        if not used[name]:
            assert clock.now - known[name] >= LEAD_S or clock.now == _START + _DAY
        used[name] += 1
    assert list(used.values()) == [89, 90, 90, 90, 41]
    assert public(folder) == current(files)
    assert len(known) == 6


def test_a_next_key_that_nobody_was_told_of_waits_a_week_from_when_they_are(files: KeyFiles, clock: Clock) -> None:
    files.tend(clock.now, _PERIOD)  # and the process dies before it publishes them
    first, second = current(files), following(files)
    clock.now += _PERIOD - 1
    ring = own(files, clock)
    assert set(ring.tend({first}, ())) == {second}
    for later, signs in ((1, first), (LEAD_S - 2, first), (1, second)):
        clock.now += later
        ring.tend({first, second}, ())
        assert ring.signer().keyid == signs


def test_an_old_key_of_a_service_that_did_not_rotate_is_replaced_a_week_after_its_first_start(
    files: KeyFiles, clock: Clock
) -> None:
    ensure_key_file(files.current)
    old = current(files)
    os.utime(files.current, (clock.now - 400 * _DAY,) * 2)
    ring = own(files, clock)
    known = set(ring.tend({old}, ()))
    clock.now += LEAD_S - 1
    ring.tend(known, ())
    assert ring.signer().keyid == old
    clock.now += 1
    ring.tend(known, ())
    assert ring.signer().keyid in known - {old}


def test_no_next_key_is_made_when_keys_sign_for_ever(files: KeyFiles, clock: Clock) -> None:
    ring = own(files, clock, 0)
    first = ring.signer().keyid
    clock.now += 1e9
    assert set(ring.tend((), ())) == {first}
    assert not files.next.exists()


def test_a_revoked_next_key_never_signs(files: KeyFiles, clock: Clock) -> None:
    ring = own(files, clock)
    first, second = current(files), following(files)
    (third,) = ring.tend({first, second}, {second})
    assert third not in {first, second}
    clock.now += _PERIOD
    ring.tend({first, second, third}, {second})
    assert ring.signer().keyid == third


@pytest.mark.parametrize("step", range(12))
def test_a_process_that_dies_at_any_step_of_a_rotation_leaves_whole_keys_and_no_early_one(
    files: KeyFiles, clock: Clock, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiedError(BaseException):
        """The process is gone: nothing below catches it."""

    left = step

    def mortal(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise DiedError
            return work(*arguments, **named)

        return do

    ring = own(files, clock)
    known = set(ring.tend((), ()))
    first, second = current(files), following(files)
    clock.now += _PERIOD
    for where, name in ((os, "utime"), (os, "fsync"), (Path, "replace"), (Path, "hardlink_to"), (Path, "chmod")):
        monkeypatch.setattr(where, name, mortal(getattr(where, name)))
    try:
        ring.tend(known, ())
    except DiedError:
        died = True
    else:
        died = False
    monkeypatch.undo()
    assert current(files) in {first, second}
    again = own(files, clock)
    new = again.tend(known, ())
    assert again.signer().keyid == current(files) == public(files.current.parent)
    assert following(files) in {second} | new.keys()
    assert died == (step < 9)
    clock.now += LEAD_S
    again.tend(known | new.keys(), ())
    assert again.signer().keyid == second


def test_of_many_processes_that_find_it_due_one_rotates(files: KeyFiles, clock: Clock) -> None:
    rings = [own(files, clock) for _ in range(5)]
    first, second = current(files), following(files)
    clock.now += _PERIOD
    for ring in rings:
        ring.tend({first, second}, ())
    third = following(files)
    assert third not in {first, second}
    assert {ring.signer().keyid for ring in rings} == {second}


def test_rotating_now_takes_the_next_key_once_it_is_known_for_a_week(files: KeyFiles, clock: Clock) -> None:
    ring = own(files, clock)
    second = following(files)
    with pytest.raises(TooEarlyError, match=r"in 7\.0 days"):
        files.rotate(clock.now)
    files.rotate(clock.now + LEAD_S)
    assert ring.signer().keyid == second


def test_stolen_keys_are_both_replaced_at_once(files: KeyFiles, clock: Clock) -> None:
    ring = own(files, clock)
    stolen = {current(files), following(files)}
    files.rotate(clock.now, fresh=True)
    assert ring.signer().keyid not in stolen
    assert set(ring.tend(stolen, stolen)) == {current(files), following(files)}


def test_without_keys_of_its_own_there_is_nothing_to_rotate(files: KeyFiles, clock: Clock) -> None:
    with pytest.raises(KeyFileError, match="does not exist"):
        files.rotate(clock.now, fresh=True)
    own(files, clock, 0)
    with pytest.raises(KeyFileError, match="the service makes it when it runs"):
        files.rotate(clock.now)


def replaced(path: Path) -> str:
    """Put a new key in the place of one, as a Kubernetes secret or `mv` does; return its id."""
    made = path.with_name("made")
    shutil.rmtree(made, ignore_errors=True)
    ensure_key_file(made / "key.pem")
    (made / "key.pem").replace(path)
    return FileSigner(path).keyid


def test_an_operators_key_is_followed_when_its_file_is_replaced(folder: Path) -> None:
    path = folder / "key.pem"
    first = replaced(path)
    ring = GivenKeyring(follow(path))
    assert (ring.signer().keyid, set(ring.tend((), ()))) == (first, {first})
    second = replaced(path)
    assert ring.signer().keyid == second
    assert set(ring.tend({first}, ())) == {second}
    assert GivenKeyring(follow(path)).signer().keyid == second


def test_a_secret_that_is_mounted_by_symbolic_links_is_followed(folder: Path) -> None:
    names = []
    for number in ("1", "2"):
        (folder / number).mkdir()
        names.append(replaced(folder / number / "key.pem"))
    (folder / "data").symlink_to("1")
    (folder / "key.pem").symlink_to("data/key.pem")
    ring = GivenKeyring(follow(folder / "key.pem"))
    assert ring.signer().keyid == names[0]
    (folder / "new").symlink_to("2")
    (folder / "new").replace(folder / "data")
    assert ring.signer().keyid == names[1]


def test_the_next_key_of_an_operator_is_published_by_either_half_and_may_come_later(folder: Path) -> None:
    first, coming = replaced(folder / "key.pem"), folder / "next.pem"
    ring = GivenKeyring(follow(folder / "key.pem"), coming)
    assert set(ring.tend((), ())) == {first}
    second = replaced(coming)
    assert set(ring.tend({first}, ())) == {second}
    coming.write_bytes(to_pem(ec.generate_private_key(ec.SECP256R1()).public_key()))
    third = keyid(from_pem(coming.read_bytes()))
    assert set(ring.tend({first}, ())) == {third}
    coming.unlink()
    assert ring.tend({first}, ()) == {}


def _foreign() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _open_to_others(path: Path) -> None:
    replaced(path)
    path.chmod(0o644)


def _make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


_BAD: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "readable by others": _open_to_others,
    "another curve": lambda path: path.write_bytes(_foreign()),
    "garbage": lambda path: path.write_bytes(b"no key"),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": _make_a_folder,
}


@pytest.mark.parametrize("fault", _BAD)
def test_a_replaced_file_that_is_no_good_keeps_the_old_signer_and_logs_one_line(folder: Path, fault: str) -> None:
    path = folder / "key.pem"
    first = replaced(path)
    ring = GivenKeyring(follow(path))
    _BAD[fault](path)
    with capture_logs() as logs:
        assert {ring.signer().keyid for _ in range(5)} == {first}
        assert ring.tend({first}, ()) == {}
    assert [line["event"] for line in logs] == ["key_file_not_taken"]
    assert str(path) in logs[0]["why"]
    if path.is_dir():
        path.rmdir()
    assert ring.signer().keyid == first or fault == "readable by others"
    second = replaced(path)
    assert ring.signer().keyid == second


def test_the_services_own_key_too_is_kept_when_what_replaced_it_is_no_good(files: KeyFiles, clock: Clock) -> None:
    ring = own(files, clock)
    known = set(ring.tend((), ()))
    first = ring.signer().keyid
    files.current.write_bytes(b"no key")
    clock.now += _PERIOD
    with capture_logs() as logs:
        for _ in range(3):
            assert ring.tend(known, ()) == {}
            assert ring.signer().keyid == first
    assert [line["event"] for line in logs] == ["signing_key_not_tended", "key_file_not_taken"]


def test_at_its_start_the_service_takes_no_bad_file(folder: Path, files: KeyFiles, clock: Clock) -> None:
    own(files, clock)
    files.next.write_bytes(b"no key")
    with pytest.raises(KeyFileError, match=r"next\.pem holds no"):
        own(files, clock)
    with pytest.raises(KeyFileError, match="can't be read"):
        follow(folder / "none.pem")
    replaced(folder / "key.pem")
    with pytest.raises(KeyFileError, match="holds no"):
        GivenKeyring(follow(folder / "key.pem"), files.next)


async def _under_load(notary: Notary, rotate: Callable[[int], object]) -> list[bundle.Bundle]:
    """Sign from 16 callers, and call `rotate` again and again meanwhile."""
    done: list[bundle.Bundle] = []

    async def caller(first: int) -> None:
        for number in range(first, 640, 16):
            done.append(await notary.sign(record(number)))  # noqa: PERF401 - as they come

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(caller(first)) for first in range(16)]
        turn = 0
        while not all(task.done() for task in callers):
            if len(done) >= 100 * (turn + 1):
                turn += 1
                rotate(turn)
            await asyncio.sleep(0)
    return done


async def _all_hold(notary: Notary, proofs: list[bundle.Bundle]) -> None:
    believed = await notary.read(Archive.trust)
    published = trust.read_jwks(trust.jwks(believed.keys))
    for proof in proofs:
        assert proof.envelope.keyid in published
        assert verify.verified(verify.verify(bundle.to_object(proof), believed, None))
    assert sorted(proof.entry.index for proof in proofs if proof.entry) == list(range(len(proofs)))


async def test_the_calendar_rotates_under_load_without_one_error(
    folder: Path, files: KeyFiles, clock: Clock, log_signer: LogSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notaries, "_TEND_S", 0.001)
    notary = open_notary(folder, own(files, clock), log_signer)
    notary.start()

    def pass_time(_: int) -> None:
        clock.now += _PERIOD

    proofs = await _under_load(notary, pass_time)
    assert len({proof.envelope.keyid for proof in proofs}) >= 3
    await _all_hold(notary, proofs)
    await notary.stop()


async def test_an_operator_rotates_under_load_without_one_error(folder: Path, log_signer: LogSigner) -> None:
    path = folder / "operators.pem"
    first = replaced(path)
    ring = GivenKeyring(follow(path), folder / "next.pem")
    notary = open_notary(folder, ring, log_signer)
    notary.start()
    names = [first]
    proofs = await _under_load(notary, lambda _: names.append(replaced(path)))
    assert {proof.envelope.keyid for proof in proofs} == set(names)
    await _all_hold(notary, proofs)
    await notary.stop()


async def test_a_next_key_is_in_the_jwks_before_it_signs(
    folder: Path, files: KeyFiles, clock: Clock, log_signer: LogSigner
) -> None:
    notary = open_notary(folder, own(files, clock), log_signer)
    notary.start()
    proof = await notary.sign(record())
    assert set((await notary.read(Archive.trust)).keys) == {current(files), following(files)}
    assert proof.envelope.keyid == current(files) != following(files)
    await notary.stop()


def test_a_key_signs_no_earlier_than_a_week_after_it_is_published_whatever_the_period() -> None:
    assert rotation.due(0, 0, _PERIOD) == _PERIOD
    assert rotation.due(0, _PERIOD - _DAY, _PERIOD) == _PERIOD - _DAY + LEAD_S
