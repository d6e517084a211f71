"""What alembic runs: the revisions, over the connection that `migrate` opened and will commit."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table_schema="prysm_proof")
context.run_migrations()
