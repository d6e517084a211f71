"""Brings a database to this program's version, with alembic: all of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import DBAPIError

from proof.postgres.connection import translated
from proof.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

#: Of an advisory lock: any number that nobody else takes.
_LOCK: Final = 0x70727973_6D
#: What the service's role may: never change, delete, or own anything of the log.
_GRANTS: Final = """
GRANT USAGE ON SCHEMA prysm_proof, prysm_slots TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA prysm_proof TO {role};
GRANT INSERT ON prysm_proof.signing_key, prysm_proof.revocation, prysm_proof.log, prysm_proof.proof,
    prysm_proof.tile, prysm_proof.checkpoint TO {role};
GRANT UPDATE (hashes) ON prysm_proof.tile TO {role};
GRANT UPDATE (one) ON prysm_proof.turn TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON prysm_slots.slot TO {role};
"""


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "proof.postgres:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def migrate(connect: Callable[[], psycopg.Connection], role: str | None = None) -> None:
    """Bring a database to this version; one that has it stays as it is. Several at once wait for one another.

    Args:
        connect: opens a connection of the role that owns the tables, or will.
        role: what the service connects as; it is given what it needs and no more. None: nothing is given.

    Raises:
        StorageError: the database is of a newer version, or the role may not do this.
        UnavailableError: the database is not reached.
    """
    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)
    try:
        with translated(), engine.begin() as connection:
            # Until the commit: who dies leaves neither lock nor half a version.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS prysm_proof")
            _upgrade(connection)
            if role is not None:
                driver: Any = connection.connection.driver_connection
                driver.execute(sql.SQL(_GRANTS).format(role=sql.Identifier(role)))
    except CommandError as error:
        raise StorageError("the database was written by a newer version of openprysm") from error
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        with translated():
            raise error.orig from error
    finally:
        engine.dispose()
