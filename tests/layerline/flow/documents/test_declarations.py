from pathlib import Path

import pytest

from layerline.flow.documents.declarations import Book, DeclarationError, Flow, Request, read

_BOOK = """
introduction = "Read this."
closing = "That is all."
"""
_FLOW = """
[[flows]]
name = "a-way"
title = "A way"
summary = "What it shows."
story = "Once."
request = "GET /api/"
status = 200
"""


def declared(folder: Path, text: str) -> Book:
    (folder / "flows.toml").write_text(text, encoding="utf-8")
    return read(folder)


def test_a_flow_is_read_with_all_that_may_be_said_of_it(tmp_path: Path) -> None:
    text = f"""{_BOOK}
        [layers]
        view = "views.md"
        {_FLOW}
        as = "ada@example.com"
        body = {{ name = "Ada" }}
        given = [{{ request = "WS /ws/", frames = [{{ type = "ping" }}, "ö"], status = "open" }}]
        code = [["model", "apps/users/models: User"]]
    """

    assert declared(tmp_path, text) == Book(
        introduction="Read this.",
        closing="That is all.",
        layers={"view": "views.md"},
        flows=(
            Flow(
                name="a-way",
                title="A way",
                summary="What it shows.",
                story="Once.",
                given=(Request("WS", "/ws/", "", ('{"type": "ping"}', '"ö"'), "open"),),
                request=Request("GET", "/api/", "ada@example.com", ('{"name": "Ada"}',), "200"),
                code=(("model", "apps/users/models: User"),),
            ),
        ),
    )


def test_a_flow_needs_nobody_and_nothing_before_it(tmp_path: Path) -> None:
    (flow,) = declared(tmp_path, _BOOK + _FLOW).flows

    assert (flow.given, flow.code, flow.request) == ((), (), Request("GET", "/api/", "", (), "200"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = [", "flows.toml: "),
        (_FLOW, "`introduction` is missing"),
        (f"{_BOOK}", "`flows` is missing"),
        (f"{_BOOK}flows = 5", "`flows` is of another type than it should be: 5"),
        (f"{_BOOK}flows = [5]", "5 is no table"),
        (f'{_BOOK}ending = "x"{_FLOW}', "`ending` is not known here"),
        (f"{_BOOK}{_FLOW}{_FLOW}", "two flows have one name"),
        (f"{_BOOK}{_FLOW}actor = 'ada'", "a-way: `actor` is not known here"),
        (f"{_BOOK}{_FLOW}as = true", "a-way: `as` is of another type than it should be: True"),
        (f"{_BOOK}{_FLOW}given = [{{ story = 'x' }}]", "a-way: `story` is not known here"),
        (f"{_BOOK}{_FLOW}given = [{{ request = 'GET /' }}]", "a-way: `status` is missing"),
        (f"{_BOOK}{_FLOW}code = [['model', 'User']]", "a-way: ['model', 'User'] is not a layer and a place"),
        (f"{_BOOK}{_FLOW.replace('GET /api/', '/api/')}", "a-way: '/api/' is no request such as"),
        (f"{_BOOK}{_FLOW.replace('a-way', '../way')}", "'../way' is no name of a file"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(tmp_path, text)

    assert str(refused.value).startswith(f"{tmp_path}/flows.toml: ")
    assert complaint in str(refused.value)


def test_a_folder_without_declarations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="No such file"):
        read(tmp_path)
