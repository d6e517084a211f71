"""Structured logs: one JSON object a line on stderr, with the ids of the current trace.

Prompts, answers and keys never go there.
"""

from __future__ import annotations

import logging
import sys

import structlog

from chassis import spans


def _add_trace_ids(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    if (span := spans.current()) is not None:
        event["trace_id"] = span.trace_id
        event["span_id"] = span.span_id
    return event


def _without_traceback(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Replace an exception by its type and place: its text may quote a prompt, a key or a URL."""
    if (info := event.pop("exc_info", None)) and (error := sys.exception() if info is True else info):
        error = error[1] if isinstance(error, tuple) else error
        event["error_type"] = type(error).__name__
        tail = getattr(error, "__traceback__", None)
        frames = []
        while tail is not None:
            frames.append(f"{tail.tb_frame.f_code.co_qualname}:{tail.tb_lineno}")
            tail = tail.tb_next
        event["error_at"] = frames[-4:]
    return event


def _first_line(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Keep what a library says first: asyncio goes on with the repr of a task, and so with its exception's text."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def configure(service: str, level: str = "info") -> None:
    """Send every log of this process to stderr as JSON, ours and the libraries' alike."""

    def add_service(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["service"] = service
        return event

    shared: list[structlog.types.Processor] = [
        add_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_ids,
        _without_traceback,
    ]
    render = structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_first_line, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[structlog.processors.add_log_level, add_service, *shared[2:], render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
