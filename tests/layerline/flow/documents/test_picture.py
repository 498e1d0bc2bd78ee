import re
from xml.etree import ElementTree as ET

from layerline.flow.documents.picture import picture
from tests.layerline.flow.documents.support import charted, node

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(drawing).iter(f"{SVG}text")]


def test_each_lane_and_each_step_is_written() -> None:
    view = node("view", "V.list", node("redis", "MGET x", detail="hit"))

    lanes, steps = ["client", "view", "hooks", "Redis"], ["GET /", "V.list", "MGET x · hit", "JSON renderer", "200 OK"]
    assert texts(picture(charted(view, node("renderer", "JSON")), title="T")) == lanes + steps


def test_it_is_well_formed_whatever_the_steps_are_called() -> None:
    drawing = picture(charted(node("service", "<b>&\"'", error="]]>", detail="<!--")), title="<&>")

    root = ET.fromstring(drawing)
    assert root.findtext(f"{SVG}title") == "<&>"
    assert "<b>&\"' · <!-- ✗ ]]>" in texts(drawing)


def test_it_fetches_nothing_and_runs_nothing() -> None:
    drawing = picture(charted(node("view", "V")), title="T")

    assert not re.search(r"<script|<image|<use|<foreignObject|@import|url\(|href=", drawing)
    assert re.findall(r"https?://\S+", drawing) == ['http://www.w3.org/2000/svg"']


def test_every_colour_that_is_used_is_declared_for_light_and_for_dark() -> None:
    layers = ("middleware", "view", "parser", "service", "selector", "sql", "redis", "mail", "queued")
    drawing = picture(charted(*(node(layer, "x") for layer in layers)), title="T")

    light, dark = drawing.split("@media (prefers-color-scheme: dark)")
    used = set(re.findall(r"var\((--[a-z]+)\)", drawing)) - {"--c"}
    assert used == set(re.findall(r"(--[a-z]+): #", light)) == set(re.findall(r"(--[a-z]+): #", dark))


def test_a_long_name_is_cut_where_the_picture_ends() -> None:
    drawing = picture(charted(node("service", "x" * 300, error="Error")), title="T")

    (label,) = (text for text in texts(drawing) if text.startswith("x"))
    assert label.endswith("x… ✗ Error")
    assert len(label) < 120


def test_the_file_of_a_step_is_written_where_there_is_room() -> None:
    place = {"module": "apps.users.selectors"}
    short, long = (
        picture(charted(node("service", f"UserSelector.by_id{rest}", **place)), title="T") for rest in ("", "(" * 90)
    )

    assert "apps/users/selectors.py" in texts(short)
    assert "apps/users/selectors.py" not in texts(long)


def test_an_empty_flow_is_drawn_too() -> None:
    assert texts(picture(charted(), title="T")) == ["client", "GET /", "200 OK"]
