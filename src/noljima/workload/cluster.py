"""Nodes from a file: our own JSON Lines, one node a line, or an openb node list."""

from __future__ import annotations

from pathlib import Path

import msgspec

from noljima.model.node import Node
from noljima.workload import openb
from noljima.workload.files import TraceError, numbered_lines, open_text
from noljima.workload.openb import Listing


def read_nodes(path: Path, *, strict: bool = False) -> Listing[Node]:
    """Read the nodes of a cluster, and which rows of an openb list could not be used."""
    with open_text(path) as text:
        first = next((words for _, words in numbered_lines(text, path) if words.strip()), "")
    if first.lstrip().startswith("{"):
        listing = Listing(_json_lines(path))
    else:
        listing = openb.read_nodes(path, strict=strict)
    if not listing.items:
        raise TraceError(path, "holds no node")
    return listing


def _json_lines(path: Path) -> tuple[Node, ...]:
    decoder = msgspec.json.Decoder(Node)
    nodes: dict[str, Node] = {}
    with open_text(path) as text:
        for line, words in numbered_lines(text, path):
            if not words.strip():
                continue
            try:
                node = decoder.decode(words)
            except msgspec.DecodeError as error:
                raise TraceError(path, str(error), line=line) from None
            if node.id in nodes:
                raise TraceError(path, f"node {node.id} is there twice", line=line)
            nodes[node.id] = node
    return tuple(nodes.values())
