"""Asking the suite over REST, as any client does, and showing what came back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from proof import verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from proof.trust import Trust

_TIMEOUT_S: Final = 300
_OK: Final = 200
_MARKS: Final = {"pass": "ok  ", "fail": "FAIL", "skipped": "--  "}


class AskError(Exception):
    """The suite did not answer; the text is one line for the person who asked."""


async def _json(response: aiohttp.ClientResponse) -> Any:
    try:
        body = json.loads(await response.read())
    except ValueError as error:
        raise AskError(f"the gateway answered {response.status} without JSON") from error
    if response.status != _OK:
        detail = body.get("detail", {})
        raise AskError(f"{response.status} {detail.get('error')}: {detail.get('message')}")
    return body


async def orchestrate(url: str, key: str, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Any:
    """POST /v2/orchestrate, with further headers if given, and return the answer.

    Raises:
        AskError: there was none.
    """
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    sent = {**(headers or {}), "authorization": f"Bearer {key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as client,
            client.post(f"{url}/v2/orchestrate", json=body, headers=sent) as response,
        ):
            return await _json(response)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise AskError(f"{url} does not answer") from error


async def proof(url: str, request_id: str) -> Any:
    """GET /v1/proof/{id}.

    Raises:
        AskError: there is none.
    """
    try:
        async with aiohttp.ClientSession() as client, client.get(f"{url}/v1/proof/{request_id}") as response:
            return await _json(response)
    except aiohttp.ClientError as error:
        raise AskError(f"{url} does not answer") from error


def show(console: Console, answer: Any) -> None:
    """Print the answer, who gave it, how strongly they agreed, what it cost, and every call."""
    prysm, run = answer["prysm"], answer["prysm"]["orchestration"]
    console.print(Panel(Text(answer["choices"][0]["message"]["content"]), title="answer", title_align="left"))
    facts = Table.grid(padding=(0, 2))
    agreement = f"{run['agreement']:.2f}" if "agreement" in run else "one answer, nothing to compare"
    facts.add_row("strategy", f"{answer['strategy']} under {answer['policy']}")
    facts.add_row("models", ", ".join(run["models_used"]))
    facts.add_row("agreement", agreement)
    facts.add_row("confidence", f"{run['confidence']:.2f} ({run['confidence_source']})")
    cost = prysm["cost"]
    guessed = " (estimated)" if cost["estimated"] else ""
    facts.add_row("cost", f"${cost['total_usd']:.6f}{guessed}, {run['calls']} calls")
    facts.add_row("time", f"{prysm['latency']['total_ms']:.0f} ms, {prysm['latency']['overhead_ms']:.1f} ms of it ours")
    for item in run["degradations"]:
        facts.add_row("degraded", f"{item['stage']} {item['model']}: {item['reason']}; {item['action']}")
    facts.add_row("why", answer["rationale"])
    console.print(facts)
    table = Table(title="stages", title_justify="left", box=None, header_style="bold")
    for name in ("#", "stage", "model", "status", "start ms", "ms", "tokens", "reads"):
        numeric = name in {"#", "start ms", "ms", "tokens"}
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for stage in prysm.get("stages", []):
        table.add_row(
            str(stage["index"]),
            stage["name"],
            stage["model"],
            stage.get("error", {}).get("reason") or stage["status"],
            f"{stage['start_ms']:.0f}",
            f"{stage['duration_ms']:.0f}",
            f"{stage['prompt_tokens']}+{stage['completion_tokens']}",
            ",".join(str(index) for index in stage["depends_on"]),
        )
        if "note" in stage:
            table.add_row("", "", Text(stage["note"], style="dim"))
    console.print(table)


def show_checks(console: Console, checks: list[verify.Check]) -> bool:
    """Print a verification step by step and its verdict, which is returned."""
    for number, check in enumerate(checks, 1):
        why = f": {check.why}" if check.why else ""
        console.print(f"  {number}. {_MARKS[check.status]} {check.name}{why}", soft_wrap=True)
    verified = verify.verified(checks)
    console.print("[bold green]proof verified[/]" if verified else "[bold red]proof NOT verified[/]")
    return verified


async def ask_and_verify(console: Console, url: str, key: str, body: dict[str, Any], trusted: Trust) -> bool:
    """Ask, show, fetch the public proof, check it against those who are trusted, show that too."""
    answer = await orchestrate(url, key, body)
    show(console, answer)
    kept = answer["prysm"]["proof"]
    public = await proof(url, answer["id"])
    console.print(f"proof {kept['proof_hash']}\n  {url}{kept['verify_url']}", highlight=False)
    return show_checks(console, verify.verify(public, trusted, kept["transcript"].encode()))
