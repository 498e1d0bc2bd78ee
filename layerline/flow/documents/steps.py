"""A trace without what differs from run to run: times, ids, digests, line numbers, the state of connections."""

import re
from dataclasses import replace
from typing import Final

from django.conf import settings

from layerline.flow.recorder import Node
from layerline.flow.words import FORGOTTEN, REDIS, SQL

# What is left of a digest or an id in the name of a key.
_DIGEST: Final = re.compile(r"[0-9a-f]{8}…")
# An id in the name of a group of sockets.
_ID: Final = re.compile(r"[0-9a-f]{32}")
_LINE_NUMBER: Final = re.compile(r":\d+$")
# A script that the server has forgotten is sent again, with its source.
_SCRIPT: Final = re.compile(r"^EVAL ")
# What a driver and a broker do when a connection is new.
_OF_CONNECTIONS: Final = {SQL: re.compile(r"SELECT … FROM pg_"), REDIS: re.compile(r"PING\b|PIPELINE\b")}


def steady(nodes: list[Node]) -> list[Node]:
    """Return the same trees as every run has them."""
    return [_steady(node) for node in nodes if not _is_of_connection(node)]


def _steady(node: Node) -> Node:
    return replace(
        node,
        name=_key(node.name) if node.kind == REDIS else _ID.sub("…", node.name),
        start=0.0,
        took=0.0,
        detail=_LINE_NUMBER.sub("", node.detail),
        place=_LINE_NUMBER.sub("", node.place),
        children=steady(node.children),
    )


def _key(name: str) -> str:
    bare = name.replace(f"{settings.REDIS_KEY_PREFIX}:", "", 1)
    return _SCRIPT.sub("EVALSHA ", _DIGEST.sub("…", bare))


def _is_of_connection(node: Node) -> bool:
    pattern = _OF_CONNECTIONS.get(node.kind)
    return node.detail == FORGOTTEN or (pattern is not None and pattern.match(node.name) is not None)
