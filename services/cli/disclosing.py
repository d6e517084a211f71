"""The command that discloses one call of a run: it reads files and asks no service."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations

from cli import checking
from proof import bundle
from proof.disclosure import DisclosureError, Texts
from proof.disclosure import disclose as made


def disclose(
    proof: Path,
    transcript: Path,
    call: int,
    *,
    input: Path | None = None,  # noqa: A002 - the option's name
    output: Path | None = None,
) -> None:
    """Write what a stranger needs to check one call of a run, and none of the others, to standard output.

    The stranger runs `openprysm verify proof.json --disclosure …`. With a text, the call's salt is given away: whoever
    has it can try guesses of the call's other text, too.

    Args:
        proof: JSON of the bundle, or of GET /v1/proof/{id}.
        transcript: exact bytes of prysm.proof.transcript; it stays with you.
        call: the call's number, from 0, as in prysm.stages and in the proof.
        input: text to show as the call's input: JSON of max_tokens, messages, model and temperature.
        output: text to show as the call's output.
    """
    try:
        outer = checking.parsed(proof)
        inner = outer["proof"] if isinstance(outer.get("proof"), dict) else outer
        payload = bundle.read(inner).envelope.payload
        texts = Texts(*(checking.file_bytes(path) if path else None for path in (input, output)))
        document = made(payload, checking.file_bytes(transcript), call, texts)
    except (checking.InputError, bundle.BundleError, DisclosureError) as error:
        raise SystemExit(f"openprysm: {error}") from error
    sys.stdout.buffer.write(document)
