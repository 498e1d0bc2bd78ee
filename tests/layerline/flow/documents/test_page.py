from pathlib import Path

import pytest

from layerline.flow.documents.declarations import Book, DeclarationError
from layerline.flow.documents.page import MARK, files, index
from layerline.flow.trace import Trace
from tests.layerline.flow.documents.support import flow, node, request

BOOK = Book("Read this.", "That is all.", {"service": "../layers/services.md"}, ())
FOLDER = Path.cwd() / "docs" / "flows"


def trace(**parts: object) -> Trace:
    whole = {"method": "GET", "path": "/", "actor": "", "status": "200 OK", "size": 1, "took": 1.0, "tree": []}
    return Trace(**whole | parts)  # type: ignore[arg-type]  # put together from parts


def test_a_page_tells_what_was_sent_what_happened_and_where_its_code_is() -> None:
    asked = request("POST /api/", status="201", actor="ada@example.com", body='{"name": "Ada"}')
    service = node("service", "UserSelector.by_id", node("sql", "INSERT INTO users"), module="apps.users.selectors")

    written = files(
        flow(asked, code=(("model", "apps/users/models: User"),)),
        trace(method="POST", path="/api/", status="201 Created", tree=[service], tasks=[node("task", "users.greet")]),
        BOOK,
        FOLDER,
    )

    assert set(written) == {"way.md", "way.svg"}
    assert (
        written["way.md"]
        == f"""{MARK}

# A way

A story.

![A way: each step in the lane of its layer](way.svg)

## Step by step

```http
POST /api/
Authorization: Bearer …  # ada@example.com

{{"name": "Ada"}}
```

```text
POST /api/
└─ service UserSelector.by_id
   └─ sql INSERT INTO users
201 Created
```

```text
later, in the worker
└─ task users.greet
```

## Where the code stands

| layer | code | file |
|---|---|---|
| [service](../layers/services.md) | `UserSelector.by_id` | [apps/users/selectors.py](../../apps/users/selectors.py) |
| model | `User` | [apps/users/models.py](../../apps/users/models.py) |

[All flows](README.md)
"""
    )


def test_the_frames_of_a_socket_follow_its_opening_and_those_of_a_request_are_in_its_tree() -> None:
    frame = node("consumer", "Chat.receive", detail="message")
    asked = request("WS /ws/", status="open", body='{"type": "message"}')

    of_socket = files(
        flow(asked),
        trace(method="WS", status="open", tree=[node("consumer", "Chat.connect")], frames=[frame]),
        BOOK,
        FOLDER,
    )
    of_request = files(flow(asked), trace(tree=[node("channel layer", "group_send")], frames=[frame]), BOOK, FOLDER)

    assert "frame message\n└─ consumer Chat.receive · message\n```" in of_socket["way.md"]
    assert "Chat.receive" not in of_request["way.md"]


@pytest.mark.parametrize("place", ["apps/users/models: Ghost", "apps/users/ghosts: User"])
def test_code_that_is_not_there_is_refused(place: str) -> None:
    asked = request("GET /", status="200")

    with pytest.raises(DeclarationError, match=rf"way: {place.partition(':')[0]} does not define "):
        files(flow(asked, code=(("model", place),)), trace(), BOOK, FOLDER)


def test_the_index_lists_every_page() -> None:
    book = Book("Read this.", "That is all.", {}, (flow(request("GET /", status="200")),))

    assert index(book) == (
        f"{MARK}\n\n# Flows\n\nRead this.\n\n| page | what it shows |\n|---|---|\n"
        "| [A way](way.md) | What it shows. |\n\nThat is all.\n"
    )
