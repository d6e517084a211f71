"""Settings: mistakes are told all at once, by name and without values."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator, Field, SecretStr, TypeAdapter

from chassis.config import EX_CONFIG, Address, Settings, Target, load, private_folder, replicas, run_dir

from .service import CANARY


def _refuse(value: SecretStr) -> SecretStr:
    if value.get_secret_value().startswith(CANARY):
        raise ValueError("must be a key")
    return value


class Some(Settings):
    """A service's settings."""

    some_listen: Address | None = None
    some_count: int = 3
    some_key: Annotated[SecretStr, AfterValidator(_refuse)] = SecretStr("")
    some_list: list[str] = Field(default_factory=list)
    foreign_key: SecretStr | None = Field(None, validation_alias="FOREIGN_API_KEY", max_length=10)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OPENPRYSM_"):
            monkeypatch.delenv(name)


def mistakes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that a refused start prints."""
    with pytest.raises(SystemExit) as caught:
        load(Some)
    assert caught.value.code == EX_CONFIG == 78
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()


def names(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines]


def test_all_mistakes_are_told_at_once_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENPRYSM_SOME_LISTEN", f"{CANARY}/nowhere")
    monkeypatch.setenv("OPENPRYSM_SOME_COUNT", f"{CANARY}")
    monkeypatch.setenv("OPENPRYSM_SOME_KEY", CANARY)
    monkeypatch.setenv("OPENPRYSM_LOG_LEVEL", CANARY)
    monkeypatch.setenv("FOREIGN_API_KEY", CANARY)
    lines = mistakes(capsys)
    assert sorted(names(lines)) == [
        "FOREIGN_API_KEY",
        "OPENPRYSM_LOG_LEVEL",
        "OPENPRYSM_SOME_COUNT",
        "OPENPRYSM_SOME_KEY",
        "OPENPRYSM_SOME_LISTEN",
    ]
    assert CANARY not in "".join(lines)


def test_a_list_that_is_no_json_is_a_mistake_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENPRYSM_SOME_LIST", f"[{CANARY}")
    (line,) = mistakes(capsys)
    assert "some_list" in line
    assert CANARY not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "verbose"),
        ("STOP_GRACE_S", "-1"),
        ("STOP_GRACE_S", "nan"),
        ("STOP_DELAY_S", "inf"),
        ("TLS_CERT", "/nowhere/cert.pem"),
        ("SECRETS_DIR", "/nowhere"),
        ("SECRETS_DIR", __file__),
    ],
)
def test_what_would_fail_later_is_refused_at_once(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"OPENPRYSM_{name}", value)
    assert names(mistakes(capsys)) == [f"OPENPRYSM_{name}"]


@pytest.mark.parametrize("given", [("CERT",), ("CERT", "KEY"), ("KEY", "CA")], ids=" ".join)
def test_half_of_mutual_tls_is_refused_and_not_plain_text(
    given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in given:
        monkeypatch.setenv(f"OPENPRYSM_TLS_{part}", __file__)
    (line,) = mistakes(capsys)
    assert "OPENPRYSM_TLS_CERT, OPENPRYSM_TLS_KEY and OPENPRYSM_TLS_CA" in line


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning"])
def test_a_level_may_be_written_as_is_customary(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENPRYSM_LOG_LEVEL", level)
    assert load(Some).log_level == level.lower()


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENPRYSM_STATE", "")
    assert load(Some).state == Path(".state")


@pytest.mark.parametrize(
    "address", ["unix:/run/a.sock", "localhost:1", "10.0.0.1:65535", "[::1]:80", "planner.prod.svc:50051", "0.0.0.0:0"]
)
def test_an_address_is_a_socket_or_a_host_with_a_port(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENPRYSM_SOME_LISTEN", address)
    assert load(Some).some_listen == address


@pytest.mark.parametrize(
    "address",
    [
        "unix:relative",
        "localhost",
        "localhost:",
        ":80",
        "a:65536",
        "a:-1",
        "a:1٣",
        "a:0x1",
        "http://a:80",
        "a/b:80",
        "a:8 0",
    ],
)
def test_anything_else_is_no_address(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENPRYSM_SOME_LISTEN", address)
    assert mistakes(capsys) == ["OPENPRYSM_SOME_LISTEN: Value error, must be unix:/absolute/path or host:port"]


def test_a_secret_comes_from_a_file_unless_the_environment_says_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "openprysm_some_key").write_text("from a file\n")
    (folder / "FOREIGN_API_KEY").write_text("foreign")
    monkeypatch.setenv("OPENPRYSM_SECRETS_DIR", str(folder))
    settings = load(Some)
    assert settings.some_key.get_secret_value() == "from a file"
    assert settings.foreign_key
    assert settings.foreign_key.get_secret_value() == "foreign"
    assert "from a file" not in repr(settings)
    monkeypatch.setenv("OPENPRYSM_SOME_KEY", "from outside")
    assert load(Some).some_key.get_secret_value() == "from outside"


def test_a_secret_that_is_no_text_is_a_mistake_without_its_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "openprysm_some_key").write_bytes(CANARY.encode() + b"\xff")
    monkeypatch.setenv("OPENPRYSM_SECRETS_DIR", str(folder))
    (line,) = mistakes(capsys)
    assert "some_key" in line
    assert CANARY not in line


def test_sockets_stand_in_the_state_folder_as_long_as_the_kernel_allows() -> None:
    longest = "gateway-admin.sock"
    state = Path("/" + "s" * (107 - len(f"//run/{longest}")))
    run = state / "run"
    assert len(f"{run}/{longest}") == 107
    assert run_dir(Settings(state=state)) == run
    longer = run_dir(Settings(state=Path(f"{state}s")))
    assert longer.parent == Path(tempfile.gettempdir())
    assert len(f"{longer}/{longest}") <= 107


def test_two_long_folders_have_different_sockets_and_every_service_finds_the_same() -> None:
    one, other = (Settings(state=Path("/" + letter * 200)) for letter in "ab")
    assert run_dir(one) != run_dir(other)
    assert run_dir(one) == run_dir(Settings(state=Path("/" + "a" * 200)))


def test_the_length_counts_in_bytes() -> None:
    assert run_dir(Settings(state=Path("/" + "é" * 50))).parent == Path(tempfile.gettempdir())


def test_a_folder_that_the_operator_names_is_taken_as_it_is() -> None:
    long = Path("/" + "r" * 200)
    assert run_dir(Settings(run=long)) == long
    assert Settings(run=Path("/r")).socket("planner") == "unix:/r/planner.sock"


def test_a_private_folder_is_made_for_its_owner_alone(folder: Path) -> None:
    made = private_folder(folder / "a" / "b")
    assert made.stat().st_mode & 0o777 == 0o700
    assert private_folder(made) == made


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o710, 0o770])
def test_a_folder_that_others_may_enter_is_refused(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="0700"):
        private_folder(folder)


@pytest.mark.parametrize(
    "value", ["planner:50051", "unix:/run/planner.sock", "ipv4:10.0.0.1:1", "ipv4:10.0.0.1:1,10.0.0.2:2"]
)
def test_a_target_is_an_address_or_several_replicas(value: str) -> None:
    assert TypeAdapter(Target).validate_python(value) == value


@pytest.mark.parametrize(
    "value", ["planner", "ipv4:", "ipv4:planner:1", "ipv4:10.0.0.1:1,", "ipv4:10.0.0.1", "a:1,b:2,"]
)
def test_what_is_no_target_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        TypeAdapter(Target).validate_python(value)


def test_nobody_listens_on_several_addresses() -> None:
    with pytest.raises(ValueError, match="must be"):
        TypeAdapter(Address).validate_python("ipv4:10.0.0.1:1,10.0.0.2:2")


def test_replicas_are_what_a_target_names() -> None:
    assert replicas("planner:1") == ["planner:1"]
    assert replicas("ipv4:10.0.0.1:1,10.0.0.2:2") == ["10.0.0.1:1", "10.0.0.2:2"]
