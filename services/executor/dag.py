"""A task in parts: a directed acyclic graph, as a model writes it (LLMCompiler, arXiv 2312.04511)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_NODES: Final = 8
_MAX_TASK_CHARS: Final = 4_000
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
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

    def substitute(self, answers: Mapping[str, str]) -> tuple[str, set[str]]:
        """Return the task with answers where it names their parts as `$id`, and which parts it names.

        All at once, since an answer may hold `$id` itself; `$1.50` and `$1,000` name nobody.
        """
        names = "|".join(re.escape(name) for name in sorted(answers, key=len, reverse=True))
        if not names:
            return self.task, set()
        named: set[str] = set()

        def put(match: re.Match[str]) -> str:
            named.add(match[1])
            return answers[match[1]]

        return re.sub(rf"\$({names})(?![A-Za-z0-9_]|[.,]\d)", put, self.task), named


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
    # JSON can spell half a surrogate pair, which no provider can be sent.
    if not isinstance(task, str) or not task.strip() or len(task) > _MAX_TASK_CHARS or _HALF_PAIR.search(task):
        raise DagError(f'node {name} has no "task" that is a text')
    if not isinstance(needs, list) or not all(isinstance(need, str | int) for need in needs):
        raise DagError(f'"needs" of node {name} is no list of ids')
    capability = found.get("capability")
    wanted = tuple(dict.fromkeys(str(need).removeprefix("$") for need in needs))
    return Node(name, task.strip(), wanted, capability.lower() if isinstance(capability, str) else "")


def _forgotten(node: Node, names: Collection[str]) -> tuple[str, ...]:
    _, named = node.substitute(dict.fromkeys(names, ""))
    return tuple(name for name in names if name in named and name not in node.needs and name != node.id)


def read(text: str) -> tuple[Node, ...]:
    """Read a plan: 1 to 8 parts with ids of their own, whose needs are met by others without going in a circle.

    The parts come back in the order in which they were written, but each behind those that it needs.

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
    # Models name a part in a task and forget to say that they need it.
    nodes = {node.id: replace(node, needs=node.needs + _forgotten(node, nodes.keys())) for node in nodes.values()}
    for node in nodes.values():
        for need in node.needs:
            if need not in nodes:
                raise DagError(f"node {node.id} needs {need if _ID.fullmatch(need) else 'a node'} that does not exist")
    order: dict[str, Node] = {}
    while len(order) < len(nodes):
        ready = (node for node in nodes.values() if node.id not in order and order.keys() >= set(node.needs))
        if (following := next(ready, None)) is None:
            raise DagError("the needs go in a circle")
        order[following.id] = following
    return tuple(order.values())
