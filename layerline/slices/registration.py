"""The lines by which the project knows a slice: put in, and taken out again to the byte."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from layerline.slices.errors import SliceError

SETTINGS: Final = "config/settings/base.py"
URLS: Final = "config/urls.py"
ROUTING: Final = "config/routing.py"
CONTRACT: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of text in one file.

    Args:
        file: The path in the project.
        text: What is put in.
        place: Matches what stands right before it.
    """

    file: str
    text: str
    place: re.Pattern[str]

    def put_into(self, content: str) -> str:
        """Return the file's content with the piece in it, once.

        Raises:
            SliceError: If its place is not there.
        """
        if self.text in content:
            return content
        found = self.place.search(content)
        if found is None:
            raise SliceError(
                f"{self.file} has no place for {self.text.strip()!r}: it was rearranged. Nothing was done."
            )
        return content[: found.end()] + self.text + content[found.end() :]

    def taken_out_of(self, content: str) -> str:
        return content.replace(self.text, "", 1)


def installed_app(name: str) -> Entry:
    return Entry(SETTINGS, f'    "apps.{name}",\n', re.compile(r"^INSTALLED_APPS = \[\n(?:    .*\n)*", re.MULTILINE))


def included_urls(name: str) -> Entry:
    return Entry(
        URLS,
        f'    path("api/v1/", include("apps.{name}.urls")),\n',
        re.compile(r'(?:^    path\("api/v1/", include\("apps\.\w+\.urls"\)\),\n)+', re.MULTILINE),
    )


def included_sockets(name: str) -> Entry:
    return Entry(
        ROUTING,
        f'    *included("apps.{name}.routing"),\n',
        re.compile(r"^websocket_urlpatterns: list\[Any\] = \[\n(?:    \*included\(.*\),\n)*", re.MULTILINE),
    )


def layer(name: str, contract: str) -> Entry:
    """Return the slice's place above all others: nothing refers to it yet, and it may refer to any.

    Args:
        contract: The content of pyproject.toml, whose list may stand on one line or on several.
    """
    on_lines = re.search(r'id = "order"[^\[]*(?:\[[^\]]*\][^\[]*)?layers = \[\n', contract)
    text = f'\n  "{name}",' if on_lines else f'"{name}", '
    return Entry(CONTRACT, text, re.compile(r'^id = "order"\n(?:(?!layers = |\[\[).*\n)*layers = \[', re.MULTILINE))


def entries(name: str, root: Path, *, api: bool, socket: bool) -> Iterator[Entry]:
    """Yield all that makes a slice known."""
    yield installed_app(name)
    yield layer(name, (root / CONTRACT).read_text(encoding="utf-8"))
    if api:
        yield included_urls(name)
    if socket:
        yield included_sockets(name)


def put_in(pieces: list[Entry], root: Path) -> dict[str, str]:
    """Return the new content of each file that changes.

    Raises:
        SliceError: If a file has no place for its piece.
    """
    contents = {piece.file: (root / piece.file).read_text(encoding="utf-8") for piece in pieces}
    for piece in pieces:
        contents[piece.file] = piece.put_into(contents[piece.file])
    return contents


def taken_out(pieces: list[Entry], root: Path) -> dict[str, str]:
    """Return the new content of each file that changes."""
    contents = {piece.file: (root / piece.file).read_text(encoding="utf-8") for piece in pieces}
    for piece in pieces:
        contents[piece.file] = piece.taken_out_of(contents[piece.file])
    return contents
