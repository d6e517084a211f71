"""`python -m local`: serves the embedded models. `python -m local fetch`: fetches what the settings need."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from chassis import logs
from chassis.config import load
from local.fetch import fetch
from local.model import ModelError
from local.progress import on_stderr
from local.serve import ListenError, serve, stop_signal
from local.settings import LocalSettings
from local.weights import WeightsError

#: As a shell says it of a command that SIGINT ended.
_INTERRUPTED = 130


async def _fetch(settings: LocalSettings) -> None:
    stopping = asyncio.ensure_future(stop_signal().wait())
    with on_stderr() as progress:
        work = asyncio.ensure_future(fetch(settings.needed(), settings.weights, progress))
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
            sys.exit(_INTERRUPTED)
        work.result()


def main(arguments: list[str]) -> None:
    """Do what the arguments say; a failure is one line and exit status 1."""
    if arguments not in ([], ["fetch"]):
        sys.exit("usage: python -m local [fetch]")
    settings = load(LocalSettings)
    logs.configure("local", settings.log_level)
    try:
        uvloop.run(_fetch(settings) if arguments else serve(settings))
    except (ListenError, ModelError, WeightsError) as error:
        sys.exit(f"local: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
