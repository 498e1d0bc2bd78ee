import re
from pathlib import Path

import pytest

from layerline.slices import registration
from layerline.slices.errors import SliceError

_FILES = (registration.SETTINGS, registration.URLS, registration.ROUTING, registration.CONTRACT)


def _texts(root: Path) -> dict[str, str]:
    return {path: (root / path).read_text(encoding="utf-8") for path in _FILES}


def _write(root: Path, texts: dict[str, str]) -> None:
    for path, text in texts.items():
        (root / path).write_text(text, encoding="utf-8")


def _pieces(root: Path, name: str = "billing") -> list[registration.Entry]:
    return list(registration.entries(name, root, api=True, socket=True))


def test_a_slice_is_made_known_in_one_line_each(root: Path) -> None:
    before, after = _texts(root), registration.put_in(_pieces(root), root)

    added = {path: sorted(set(after[path].splitlines()) - set(before[path].splitlines())) for path in _FILES}
    assert added == {
        registration.SETTINGS: ['    "apps.billing",'],
        registration.URLS: ['    path("api/v1/", include("apps.billing.urls")),'],
        registration.ROUTING: ['    *included("apps.billing.routing"),'],
        registration.CONTRACT: ['layers = ["billing", "chat", "users", "common"]'],
    }


def test_twice_is_as_once(root: Path) -> None:
    pieces = _pieces(root)
    _write(root, registration.put_in(pieces, root))
    once = _texts(root)

    assert registration.put_in(pieces, root) == once


def test_what_was_put_in_comes_out_to_the_byte_in_any_order(root: Path) -> None:
    before = _texts(root)
    first = _pieces(root)
    _write(root, registration.put_in(first, root))
    second = _pieces(root, "stock")
    _write(root, registration.put_in(second, root))

    _write(root, registration.taken_out(first, root))
    _write(root, registration.taken_out(second, root))

    assert _texts(root) == before


def test_an_order_on_several_lines_stays_on_several(root: Path) -> None:
    contract = root / registration.CONTRACT
    one_line = contract.read_text(encoding="utf-8")
    before = one_line.replace(
        'layers = ["chat", "users", "common"]', 'layers = [\n  "chat",\n  "users",\n  "common",\n]'
    )
    contract.write_text(before, encoding="utf-8")
    pieces = _pieces(root)

    _write(root, registration.put_in(pieces, root))

    assert 'layers = [\n  "billing",\n  "chat",\n  "users",\n  "common",\n]' in contract.read_text(encoding="utf-8")
    _write(root, registration.taken_out(pieces, root))
    assert contract.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("path", _FILES)
def test_a_file_that_was_rearranged_is_named(root: Path, path: str) -> None:
    (root / path).write_text("nothing = []\n", encoding="utf-8")

    with pytest.raises(SliceError, match=f"{re.escape(path)} has no place for"):
        registration.put_in(_pieces(root), root)
