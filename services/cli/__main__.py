"""`openprysm`: reads the command line and does what it says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn

import grpc
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from chassis.config import load
from cli import (
    ask,
    calibration,
    checking,
    disclosing,
    gateway,
    gateway_admin,
    keys,
    proofs,
    signing,
    status,
    suite,
    tracing,
)
from cli.process import ChildError
from cli.settings import SuiteSettings
from planner import catalog

app = App(name="openprysm", help="One prompt, several language models, one answer, and a proof of how it was made.")
keys_app = App(name="keys", help="API keys.")
app.command(keys_app)
console = Console(highlight=False)

_PROMPT: Final = "What is the capital of Australia, and how much is 144 / 12?"
_DEMO: Final = {"policy": "depth", "strategy": "ensemble_moa", "max_tokens": 200, "temperature": 0.3}


def _fail(line: object) -> NoReturn:
    print(f"openprysm: {line}", file=sys.stderr)
    sys.exit(1)


async def _until_stopped(settings: SuiteSettings, question: str | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    key = keys.development_key(settings)
    console.print("starting …")
    up = asyncio.create_task(_serve(settings, key, question, stopped))
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait({up, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        console.print("stopping …")
        up.cancel()
    waiting.cancel()
    try:
        await up
    except asyncio.CancelledError:
        console.print("stopped")


async def _serve(settings: SuiteSettings, key: str, question: str | None, stopped: asyncio.Event) -> None:
    state = settings.state.absolute()
    async with suite.running(settings, console.print) as keepers:
        trusted = checking.own(state)
        console.print(f"serving on {settings.url}; the development key is in {state / 'dev-key'}", soft_wrap=True)
        if question is not None:
            console.print(f"\n[bold]{question}[/]\n")
            body = {"messages": [{"role": "user", "content": question}], **_DEMO}
            try:
                await ask.ask_and_verify(console, settings.url, key, body, trusted)
            except ask.AskError as error:
                console.print(f"[red]no answer:[/] {error}")
        console.print("\nCtrl-C stops everything")
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({keepers, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if keepers.done():
                keepers.result()
        finally:
            waiting.cancel()


def _demo() -> dict[str, Any]:
    question = os.environ.get("PROMPT") or _PROMPT
    return {"messages": [{"role": "user", "content": question}], **_DEMO}


def _run_suite(question: str | None) -> None:
    settings = load(SuiteSettings)
    try:
        asyncio.run(_until_stopped(settings, question))
    except* (suite.SuiteError, ChildError, PermissionError, ValueError) as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        _fail(first)


@app.command
def serve() -> None:
    """Start the suite on this machine and serve until Ctrl-C."""
    _run_suite(None)


@app.command
def run() -> None:
    """Start the suite, ask PROMPT (or a question of ours) across the models, check the proof, serve until Ctrl-C."""
    _run_suite(os.environ.get("PROMPT") or _PROMPT)


@app.command
def trace() -> None:
    """Start the suite, ask PROMPT (or a question of ours), print the request's trace span by span, stop."""
    tracing.run(_demo())


@app.command(name="gateway")
def run_gateway() -> None:
    """Render the gateway's configuration and become Envoy: how a container starts it."""
    settings = load(gateway.GatewaySettings)
    words = gateway.command(gateway.configure(settings), settings.gateway_concurrency)
    os.execv(words[0], words)  # noqa: S606 - Envoy's path comes from its wheel


@app.command
def drain() -> None:
    """Let the gateway of this machine or container finish what runs: before SIGTERM, which alone cuts requests off."""
    settings = load(gateway.GatewaySettings)
    if not asyncio.run(gateway_admin.drain(settings, settings.request_timeout_s)):
        _fail("the gateway did not finish in time, or is not there")


@app.command
def orchestrate(
    prompt: str,
    *,
    policy: str = "balanced",
    strategy: str = "",
    k: int | None = None,
    url: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Ask a running suite, with the key in OPENPRYSM_API_KEY, or else the development key."""
    settings = load(SuiteSettings)
    key = os.environ.get("OPENPRYSM_API_KEY") or keys.development_key(settings)
    body = {"messages": [{"role": "user", "content": prompt}], "policy": policy, "strategy": strategy}
    if k is not None:
        body["k"] = k  # type: ignore[assignment]
    try:
        answer = asyncio.run(ask.orchestrate(url or settings.url, key, body))
    except ask.AskError as error:
        _fail(error)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        ask.show(console, answer)


app.command(proofs.verify_proof, name="verify")
app.command(proofs.audit)
app.command(proofs.revoke_key)
app.command(disclosing.disclose)
app.command(signing.app)
app.command(calibration.calibrate)


@app.command(name="status")
def show_status() -> None:
    """Say which services of the suite on this machine serve; exit status 1 when one does not."""
    settings = load(SuiteSettings)
    states = {}
    for name in ("planner", "executor", "proof"):
        with grpc.insecure_channel(settings.socket(name)) as channel:
            states[name] = status.health(channel)
        console.print(f"{name:9} {states[name]}")
    sys.exit(set(states.values()) != {"serving"})


@app.command
def models() -> None:
    """List the catalog."""
    table = Table("model", "provider", "tier", "context", "$ in/Mtok", "$ out/Mtok", "price from", box=None)
    for model in catalog.load().models.values():
        price = model.price
        dollars = (
            (f"{price.input / 1e6:g}", f"{price.output / 1e6:g}", price.source) if price else ("?", "?", "unknown")
        )
        table.add_row(model.id, model.provider, model.tier, str(model.context_window), *dollars)
    console.print(table)


@keys_app.command
def create(name: str, *, days: int | None = None) -> None:
    """Make a key and print it: the only time that it is seen.

    Args:
        name: whose it is.
        days: how long it is valid; for ever when left out.
    """
    print(keys.create(load(SuiteSettings), name, days))


@keys_app.command(name="list")
def list_keys() -> None:
    """List the keys without their secrets."""
    table = Table("id", "name", "created", "state", box=None)
    now = datetime.now(UTC).timestamp()
    for record in keys.listed(load(SuiteSettings)):
        state = "usable" if record.usable(now) else "revoked" if record.revoked else "expired"
        table.add_row(record.id, record.name, f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M}", state)
    console.print(table)


@keys_app.command
def revoke(key_id: str) -> None:
    """Revoke a key by its id; every service refuses it within seconds."""
    if not keys.revoke(load(SuiteSettings), key_id):
        _fail(f"no key has the id {key_id}")
    console.print(f"revoked {key_id}")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
