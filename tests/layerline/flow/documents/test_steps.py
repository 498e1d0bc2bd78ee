import pytest
from pytest_django import Settings

from layerline.flow.documents.steps import steady
from layerline.flow.recorder import Node
from layerline.flow.words import FORGOTTEN
from tests.layerline.flow.documents.support import node


@pytest.fixture(autouse=True)
def _prefix(settings: Settings) -> None:
    settings.REDIS_KEY_PREFIX = "test:4711"


def test_times_and_line_numbers_are_gone_at_every_depth() -> None:
    (steps,) = steady([node("view", "V", node("error", "E", detail="a/b.py:12"), place="a/c.py:7", error="E")])

    assert steps == Node(
        "view", "V", 0.0, place="a/c.py", error="E", children=[Node("error", "E", 0.0, detail="a/b.py")]
    )


def test_a_key_loses_its_prefix_and_what_is_random_in_it() -> None:
    (step,) = steady([node("redis", "MGET test:4711:row:users:01a214d9…", detail="hit")])

    assert (step.name, step.detail) == ("MGET row:users:…", "hit")


@pytest.mark.parametrize(
    "commands",
    [
        [node("redis", "EVALSHA test:4711:limit:burst")],
        [node("redis", "EVALSHA test:4711:limit:burst", detail=FORGOTTEN), node("redis", "EVAL test:4711:limit:burst")],
    ],
    ids=["known", "forgotten"],
)
def test_a_script_looks_the_same_whether_the_server_knew_it_or_not(commands: list[Node]) -> None:
    assert [step.name for step in steady(commands)] == ["EVALSHA limit:burst"]


def test_what_a_new_connection_asks_is_no_step() -> None:
    connecting = [
        node("sql", "SELECT … FROM pg_type WHERE typname = %s"),
        node("redis", "PING"),
        node("redis", "PIPELINE of 4"),
    ]

    assert steady([node("service", "S", *connecting, node("sql", "SELECT … FROM pages"))]) == [
        Node("service", "S", 0.0, children=[Node("sql", "SELECT … FROM pages", 0.0)])
    ]


def test_other_texts_stay_as_they_are() -> None:
    (step,) = steady([node("service", "EVAL test:4711:01a214d9…", detail="12 rows")])

    assert (step.name, step.detail) == ("EVAL test:4711:01a214d9…", "12 rows")
