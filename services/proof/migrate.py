"""`python -m proof.migrate [role]`: brings PostgreSQL to this version, and gives the service's role what it needs."""

from __future__ import annotations

import sys

from chassis.config import EX_CONFIG, load
from proof.databases import DatabaseSettings
from proof.storage import StorageError, UnavailableError


def main(words: list[str]) -> None:
    """Upgrade the database of the settings, as the role that owns its tables; a second time changes nothing."""
    settings = load(DatabaseSettings)
    if settings.proof_postgres is None:
        print("OPENPRYSM_PROOF_POSTGRES: must be set; SQLite is migrated by the service", file=sys.stderr)  # noqa: T201 - for the operator
        sys.exit(EX_CONFIG)
    if len(words) > 1:
        print("proof.migrate: takes at most the name of the service's role", file=sys.stderr)  # noqa: T201 - likewise
        sys.exit(EX_CONFIG)
    from proof.postgres import migrations  # noqa: PLC0415 - alembic is for here alone
    from proof.postgres.backend import PostgresBackend  # noqa: PLC0415 - likewise
    from proof.postgres.version import VERSION  # noqa: PLC0415 - likewise

    try:
        database = PostgresBackend(settings.proof_postgres, settings.proof_postgres_password_file)
        migrations.migrate(database.connect_as_owner, *words)
    except (StorageError, UnavailableError) as error:
        print(f"proof.migrate: {error}", file=sys.stderr)  # noqa: T201 - likewise
        sys.exit(1)
    print(f"the database is of version {VERSION}")  # noqa: T201 - likewise


if __name__ == "__main__":
    main(sys.argv[1:])
