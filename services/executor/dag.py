"""A task in parts: a directed acyclic graph, as a model writes it (LLMCompiler, arXiv 2312.04511)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

MAX_NODES: Final = 8
_MAX_TASK_CHARS: Final = 4_000
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
#: Characters that are read: a longer reply is no plan.
_MAX_CHARS: Final = 64_000


class DagError(ValueError):
    """A reply is no plan; the text says why, in our words."""


@dataclass(frozen=True)
class Node:
    """One part."""

    id: str
    task: str
    #: Ids of the parts whose answers it reads.
    needs: tuple[str, ...]
    #: Kind of task; who serves it, is for the plan to say.
    capability: str

    @staticmethod
    def substitute(task: str, need: str, answer: str) -> str:
        """Put an answer where the task names its part, as `$id`."""
        return re.sub(rf"\${re.escape(need)}(?![A-Za-z0-9_-])", lambda _: answer, task)


def _objects(text: str) -> Any:
    """Return the first JSON object of a text that holds nodes; models put words and fences around it."""
    decoder = json.JSONDecoder()
    tries = 0
    for match in re.finditer(r"[{\[]", text):
        tries += 1
        if tries > MAX_NODES:
            break
        try:
            found, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "nodes" in found:
            return found["nodes"]
        if isinstance(found, list) and found and isinstance(found[0], dict):
            return found
    raise DagError('there is no JSON object with a list "nodes"')


def _node(index: int, found: Any) -> Node:
    if not isinstance(found, dict):
        raise DagError(f"node {index + 1} is no object")
    name, task, needs = found.get("id"), found.get("task"), found.get("needs") or []
    name = str(name) if isinstance(name, int) and not isinstance(name, bool) else name
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise DagError(f'node {index + 1} has no "id" of letters and digits')
    if not isinstance(task, str) or not task.strip() or len(task) > _MAX_TASK_CHARS:
        raise DagError(f'node {name} has no "task" that is a text')
    if not isinstance(needs, list) or not all(isinstance(need, str | int) for need in needs):
        raise DagError(f'"needs" of node {name} is no list of ids')
    capability = found.get("capability")
    wanted = tuple(dict.fromkeys(str(need).removeprefix("$") for need in needs))
    return Node(name, task.strip(), wanted, capability.lower() if isinstance(capability, str) else "")


def read(text: str) -> tuple[Node, ...]:
    """Read a plan: 1 to 8 parts with ids of their own, whose needs are met by others without going in a circle.

    The parts come back so that each stands behind those that it needs.

    Raises:
        DagError: it is none.
    """
    found = _objects(text[:_MAX_CHARS])
    if not isinstance(found, list) or not found:
        raise DagError('"nodes" is no list with at least one node')
    if len(found) > MAX_NODES:
        raise DagError(f"there are more than {MAX_NODES} nodes")
    nodes = {node.id: node for node in (_node(index, item) for index, item in enumerate(found))}
    if len(nodes) < len(found):
        raise DagError("two nodes have the same id")
    for node in nodes.values():
        for need in node.needs:
            if need not in nodes:
                raise DagError(f"node {node.id} needs {need if _ID.fullmatch(need) else 'a node'} that does not exist")
    try:
        order = tuple(TopologicalSorter({node.id: node.needs for node in nodes.values()}).static_order())
    except CycleError:
        raise DagError("the needs go in a circle") from None
    return tuple(nodes[name] for name in order)
