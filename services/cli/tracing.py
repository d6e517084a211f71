"""`openprysm trace`: one question to a suite of its own, and what happened in it, without a tracing backend."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from chassis.config import load
from cli import ask, keys, span_tree, suite
from cli.collector import Collector
from cli.process import ChildError
from cli.settings import SuiteSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

console = Console(highlight=False)


async def _ask(settings: SuiteSettings, receiver: Collector, body: Mapping[str, Any]) -> None:
    key = keys.development_key(settings)
    console.print("starting …")
    async with suite.running(settings, console.print):
        console.print(f"\n[bold]{body['messages'][0]['content']}[/]\n", markup=True)
        trace_id = secrets.token_hex(16)  # ours, so that a request that fails has a trace to show as well
        sampled = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
        try:
            answer = await ask.orchestrate(settings.url, key, dict(body), sampled)
            console.print(Panel(Text(answer["choices"][0]["message"]["content"]), title="answer", title_align="left"))
        except ask.AskError as error:
            console.print(f"[red]no answer:[/] {error}")
        spans = await asyncio.to_thread(receiver.wait_for, trace_id, span_tree.complete)
    if not spans:
        console.print("[red]no span arrived[/]")
        return
    console.print(span_tree.table(spans, console.width))
    console.print(f"\n{len(spans)} spans of trace {trace_id}")


def run(body: Mapping[str, Any]) -> None:
    """Start the suite with a receiver of its spans, ask, print the request's trace, stop."""
    with Collector() as receiver:
        own = {"OTEL_TRACES_SAMPLER": "parentbased_always_on", "OTEL_METRICS_EXPORTER": "none"}
        os.environ.update({**receiver.environment, **own})
        try:
            asyncio.run(_ask(load(SuiteSettings), receiver, body))
        except* (suite.SuiteError, ChildError, PermissionError, ValueError) as group:
            first: BaseException = group
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            print(f"openprysm: {first}", file=sys.stderr)
            sys.exit(1)
