from pathlib import Path

import pytest

from layerline.flow.documents import shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"README.md": "index\n", "a.md": "one\ntwo\n", "a.svg": "<svg/>\n", "flows.toml": "x"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


AS_IT_IS = {"README.md": "index\n", "a.md": "one\ntwo\n", "a.svg": "<svg/>\n"}


def test_nothing_is_said_and_done_where_all_is_as_it_should_be(folder: Path) -> None:
    assert shelf.faults(folder, AS_IT_IS) == []
    assert shelf.put(folder, AS_IT_IS) == []


def test_a_page_that_fell_behind_is_named_with_what_changed(folder: Path) -> None:
    faults = shelf.faults(folder, AS_IT_IS | {"a.md": "one\n2\n", "a.svg": "<svg></svg>\n", "b.md": "new\n"})

    assert [fault.splitlines() for fault in faults] == [
        [
            f"{folder}/a.md is not what the code does now",
            "    --- committed",
            "    +++ now",
            "    @@ -2 +2 @@",
            "    -two",
            "    +2",
        ],
        [f"{folder}/a.svg is not what the code does now"],
        [
            f"{folder}/b.md is not what the code does now",
            "    --- committed",
            "    +++ now",
            "    @@ -0,0 +1 @@",
            "    +new",
        ],
    ]
    assert (folder / "a.md").read_text(encoding="utf-8") == "one\ntwo\n"


def test_a_page_of_no_flow_is_named_and_taken_away_when_the_others_are_written(folder: Path) -> None:
    (folder / "old.svg").touch()

    assert shelf.faults(folder, AS_IT_IS) == [f"{folder}/old.svg belongs to no flow"]
    assert shelf.put(folder, AS_IT_IS | {"a.md": "three\n"}) == [
        "old.svg removed: no flow is called so",
        "a.md written",
    ]
    assert {file.name for file in folder.iterdir()} == {"README.md", "a.md", "a.svg", "flows.toml"}
    assert (folder / "a.md").read_text(encoding="utf-8") == "three\n"
