"""The slots of idempotency keys in PostgreSQL: a schema of their own, which a backup of the proofs leaves out.

Each call is one transaction, and its time is the database's, since replicas' clocks differ.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from proof.idempotency import KEEP_S, Claimed, Conflict, DeadClaimError, InProgress, Kept
from proof.postgres.connection import translated
from proof.storage import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from proof.idempotency import Outcome
    from proof.postgres.connection import Connection


class PostgresSlotStore:
    """The slots of one database as a `SlotStore`. Owned by one thread at a time."""

    def __init__(self, connection: Callable[[], Connection], close: Callable[[], None]) -> None:
        """Make one; see `PostgresStore`."""
        self._connection = connection
        self._close = close

    def _once(self, statement: LiteralString, values: tuple[Any, ...]) -> tuple[int, Any]:
        with translated():
            cursor = self._connection().execute(statement, values, binary=True)
            return cursor.rowcount, cursor.fetchone() if cursor.description else None

    def _do(self, statement: LiteralString, *values: Any) -> tuple[int, Any]:
        """Return how many rows a statement met, and the first that it returns."""
        try:
            return self._once(statement, values)
        except UnavailableError:
            return self._once(statement, values)  # over a new connection: all that is done here may be done twice

    def claim(self, slot: bytes, body_digest: bytes, claim: bytes, lease_s: float) -> Outcome:
        """Make `claim` the slot's, or tell what is in the slot; the same claim again is answered as before."""
        while True:
            # Who comes second waits for the first one's commit, and then meets its row.
            claimed, _ = self._do(
                "INSERT INTO slot AS old VALUES (%s, %s, %s, unix_now() + %s, NULL) ON CONFLICT (slot) DO UPDATE"
                " SET body_digest = excluded.body_digest, claim = excluded.claim, expires = excluded.expires,"
                " sealed = NULL WHERE old.expires <= unix_now()",
                slot,
                body_digest,
                claim,
                lease_s,
            )
            if claimed:
                return Claimed(claim)
            _, row = self._do(
                "SELECT body_digest, expires - unix_now(), sealed, claim FROM slot"
                " WHERE slot = %s AND expires > unix_now()",
                slot,
            )
            if row is not None:  # else it ran out, or was given up, in between
                break
        present_digest, left_s, sealed, present_claim = row
        if not hmac.compare_digest(present_digest, body_digest):
            return Conflict()
        if sealed is not None:
            return Kept(sealed)
        return Claimed(claim) if hmac.compare_digest(present_claim, claim) else InProgress(left_s)

    def complete(self, slot: bytes, claim: bytes, sealed: bytes) -> None:
        """Fill the slot. The same call again does nothing: its caller may not have heard of the first.

        Raises:
            DeadClaimError: the slot is not this claim's any more, or is filled with something else.
        """
        filled, _ = self._do(
            "UPDATE slot SET sealed = %s, expires = unix_now() + %s"
            " WHERE slot = %s AND claim = %s AND sealed IS NULL AND expires > unix_now()",
            sealed,
            KEEP_S,
            slot,
            claim,
        )
        if not filled:
            _, row = self._do(
                "SELECT sealed = %s FROM slot WHERE slot = %s AND claim = %s AND expires > unix_now()",
                sealed,
                slot,
                claim,
            )
            if row is None or not row[0]:
                raise DeadClaimError

    def release(self, slot: bytes, claim: bytes) -> None:
        """Empty the slot, if it is this claim's and not filled."""
        self._do("DELETE FROM slot WHERE slot = %s AND claim = %s AND sealed IS NULL", slot, claim)

    def sweep(self, limit: int) -> int:
        """Delete at most `limit` rows that are past their time, and return how many there were."""
        deleted, _ = self._do(
            "DELETE FROM slot WHERE slot IN"
            " (SELECT slot FROM slot WHERE expires <= unix_now() LIMIT %s FOR UPDATE SKIP LOCKED)",
            limit,
        )
        return deleted

    def forget(self) -> None:
        """Do nothing: autovacuum frees the rows, and backups and archived logs are the operator's."""

    def close(self) -> None:
        """Close the connection."""
        self._close()
