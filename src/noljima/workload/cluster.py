"""Nodes from a file: our own JSON Lines, one node a line, or an openb node list."""

from __future__ import annotations

from pathlib import Path

import msgspec

from noljima.model.node import Node
from noljima.workload.files import TraceError, numbered_lines, open_text


def read_nodes(path: Path, *, strict: bool = False) -> tuple[Node, ...]:
    """Read the nodes of a cluster; a node that is there twice is refused."""
    with open_text(path) as text:
        first = next((words for _, words in numbered_lines(text, path) if words.strip()), "")
    if first.lstrip().startswith("{"):
        nodes = _json_lines(path)
    else:
        from noljima.workload import openb  # noqa: PLC0415 - only for such files

        nodes = tuple(openb.read_nodes(path, strict=strict))
    seen: set[str] = set()
    for node in nodes:
        if node.id in seen:
            raise TraceError(path, f"node {node.id} is there twice")
        seen.add(node.id)
    if not nodes:
        raise TraceError(path, "holds no node")
    return nodes


def _json_lines(path: Path) -> tuple[Node, ...]:
    decoder = msgspec.json.Decoder(Node)
    nodes: list[Node] = []
    with open_text(path) as text:
        for line, words in numbered_lines(text, path):
            if not words.strip():
                continue
            try:
                nodes.append(decoder.decode(words))
            except msgspec.DecodeError as error:
                raise TraceError(path, str(error), line=line) from None
    return tuple(nodes)
