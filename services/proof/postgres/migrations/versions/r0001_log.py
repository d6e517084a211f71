"""The log, and the slots of idempotency keys in a schema of their own.

The guards say what SQLite's triggers say: rows are only added, whoever is connected. They hold for the tables' owner
too, unless he drops them; the service's own role may not even try.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0001"
down_revision = None

_TABLES: Final = """
CREATE TABLE prysm_proof.turn (
    one smallint PRIMARY KEY CHECK (one = 1)
);
COMMENT ON TABLE prysm_proof.turn IS 'who holds the lock of its row is the one writer';
INSERT INTO prysm_proof.turn VALUES (1);

CREATE TABLE prysm_proof.signing_key (
    keyid text COLLATE "C" PRIMARY KEY,
    public_pem bytea NOT NULL,
    place bigint GENERATED ALWAYS AS IDENTITY
);
CREATE TABLE prysm_proof.revocation (
    keyid text COLLATE "C" PRIMARY KEY REFERENCES prysm_proof.signing_key,
    from_index bigint NOT NULL
);
CREATE TABLE prysm_proof.log (
    one smallint PRIMARY KEY CHECK (one = 1),
    origin text NOT NULL,
    public_key bytea NOT NULL,
    created bigint NOT NULL
);
CREATE TABLE prysm_proof.proof (
    log_index bigint PRIMARY KEY CHECK (log_index >= 0),
    request_id text COLLATE "C" NOT NULL UNIQUE,
    payload bytea NOT NULL,
    signature bytea NOT NULL,
    keyid text COLLATE "C" NOT NULL REFERENCES prysm_proof.signing_key
);
CREATE TABLE prysm_proof.tile (
    level smallint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, number)
);
ALTER TABLE prysm_proof.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON COLUMN prysm_proof.tile.hashes IS '1 to 256 hashes of 32 bytes, which no compression makes smaller';
CREATE TABLE prysm_proof.checkpoint (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL,
    note text NOT NULL
);

CREATE TABLE prysm_slots.slot (
    slot bytea PRIMARY KEY,
    body_digest bytea NOT NULL,
    claim bytea NOT NULL,
    expires double precision NOT NULL,
    sealed bytea
);
ALTER TABLE prysm_slots.slot ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX slot_by_expiry ON prysm_slots.slot (expires);
CREATE FUNCTION prysm_slots.unix_now() RETURNS double precision LANGUAGE sql VOLATILE
    RETURN extract(epoch FROM clock_timestamp());
COMMENT ON FUNCTION prysm_slots.unix_now IS 'one clock for all replicas';
"""

_GUARDS: Final = """
CREATE FUNCTION prysm_proof.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = prysm_proof AS $$
BEGIN
    RAISE EXCEPTION USING
        MESSAGE = TG_ARGV[0] || ' are never ' || TG_ARGV[1], ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION prysm_proof.added_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = prysm_proof AS $$
BEGIN
    PERFORM FROM turn FOR UPDATE;  -- whoever adds is the one writer, also one that is not this program
    IF EXISTS (
        SELECT FROM (SELECT min(log_index) AS first, max(log_index) AS last, count(*) AS number FROM added) AS new
        WHERE last - first + 1 != number
            OR last != (SELECT max(log_index) FROM proof)
            OR first != (SELECT coalesce(max(log_index) + 1, 0) FROM proof WHERE log_index < first)
    ) THEN
        RAISE EXCEPTION USING MESSAGE = 'indices are contiguous', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER proof_takes_the_next_index AFTER INSERT ON prysm_proof.proof
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION prysm_proof.added_in_order();

CREATE FUNCTION prysm_proof.is_larger() RETURNS trigger LANGUAGE plpgsql SET search_path = prysm_proof AS $$
BEGIN
    PERFORM FROM turn FOR UPDATE;
    IF NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoint) THEN
        RAISE EXCEPTION USING MESSAGE = 'a log never shrinks', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER checkpoint_is_of_a_larger_tree BEFORE INSERT ON prysm_proof.checkpoint
    FOR EACH ROW EXECUTE FUNCTION prysm_proof.is_larger();

CREATE FUNCTION prysm_proof.only_grows() RETURNS trigger LANGUAGE plpgsql SET search_path = prysm_proof AS $$
BEGIN
    IF NEW.level != OLD.level OR NEW.number != OLD.number
        OR substr(NEW.hashes, 1, length(OLD.hashes)) IS DISTINCT FROM OLD.hashes
    THEN
        RAISE EXCEPTION USING MESSAGE = 'tiles only grow', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tile_only_grows BEFORE UPDATE ON prysm_proof.tile
    FOR EACH ROW EXECUTE FUNCTION prysm_proof.only_grows();
"""

_ONLY_ADDED: Final = {
    "signing_key": "keys",
    "revocation": "revocations",
    "log": "logs",
    "proof": "proofs",
    "checkpoint": "checkpoints",
    "turn": "turns",
}


def _guarded(table: str, word: str, done: str, event: str) -> str:
    """Return a trigger that refuses an event."""
    return f"""
CREATE TRIGGER {table}_is_never_{done} BEFORE {event} ON prysm_proof.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION prysm_proof.refuse('{word}', '{done}');
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute("CREATE SCHEMA prysm_slots")
    op.execute(_TABLES)
    op.execute(_GUARDS)
    for table, word in _ONLY_ADDED.items():
        op.execute(_guarded(table, word, "changed", "UPDATE"))
    for table, word in (*_ONLY_ADDED.items(), ("tile", "tiles")):
        op.execute(_guarded(table, word, "deleted", "DELETE OR TRUNCATE"))
