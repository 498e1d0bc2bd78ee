import pytest

from layerline.flow.documents.chart import LANES, LATER
from layerline.flow.layers import Layer
from tests.layerline.flow.documents.support import charted, node


def test_each_layer_has_a_lane_but_for_what_runs_on_commit_which_stays_in_its_callers() -> None:
    placed = {kind for kinds in LANES.values() for kind in kinds}

    assert set(Layer) - placed == {Layer.ON_COMMIT}


def test_a_request_and_its_answer_stand_around_its_steps() -> None:
    rows = charted(node("view", "V", node("service", "S", node("sql", "SELECT … FROM pages WHERE x")))).rows

    assert [(row.lane, row.name, row.depth, row.parent, row.last) for row in rows] == [
        ("client", "GET /", 0, None, 4),
        ("door", "V", 1, 0, 3),
        ("service", "S", 2, 1, 3),
        ("PostgreSQL", "SELECT pages", 3, 2, 3),
        ("client", "200 OK", 0, None, 4),
    ]


def test_a_chain_of_middleware_is_one_step() -> None:
    chain = node("middleware", "A", node("middleware", "B", node("middleware", "C", node("view", "V"))))

    assert [row.name for row in charted(chain).rows] == ["GET /", "3 middleware", "V", "200 OK"]


def test_a_middleware_that_does_something_besides_is_a_step_of_its_own() -> None:
    chain = node("middleware", "A", node("redis", "GET x"), node("middleware", "B", node("view", "V")))

    names = [row.name for row in charted(chain).rows]
    assert names == ["GET /", "1 middleware", "GET x", "1 middleware", "V", "200 OK"]


@pytest.mark.parametrize(
    ("statement", "brief"),
    [
        ("SELECT … FROM a INNER JOIN b ON (a.x = b.y) WHERE a.z = %s", "SELECT a, b"),
        ("SELECT … FROM a WHERE a.z = %s LIMIT 1 FOR UPDATE", "SELECT a FOR UPDATE"),
        ("INSERT INTO a (x, y) VALUES (…)", "INSERT a"),
        ("UPDATE a SET x = %s WHERE a.y IN (SELECT … FROM b)", "UPDATE a, b"),
        ("DELETE FROM a WHERE a.x = %s", "DELETE a"),
        ("SELECT 1", "SELECT"),
    ],
)
def test_a_statement_is_its_verb_and_its_tables(statement: str, brief: str) -> None:
    assert charted(node("sql", statement)).rows[1].name == brief


def test_transactions_are_found_with_those_inside_of_them() -> None:
    steps = ["BEGIN", "SAVEPOINT", "ROLLBACK TO", "COMMIT", "BEGIN", "ROLLBACK"]

    assert charted(*(node("transaction", step) for step in steps)).transactions == [(2, 3), (1, 4), (5, 6)]


def test_what_is_put_off_leads_to_where_it_runs_each_to_its_own() -> None:
    chart = charted(
        node("queued", "cache.add"),
        node("queued", "cache.add"),
        node("queued", "cache.drop"),
        node("on commit", "cache.add"),
        node("on commit", "cache.add"),
    )

    assert chart.put_off == [(1, 4), (2, 5)]


def test_a_message_leads_to_its_task_in_the_worker() -> None:
    chart = charted(
        node("leaves", "a mail"),
        node("leaves", "the message of task users.greet"),
        jobs=(node("task", "users.greet", node("job", "users.greet")),),
    )

    assert [row.name for row in chart.rows[4:]] == [LATER, "users.greet", "users.greet"]
    assert chart.put_off == [(2, 5)]


def test_lanes_are_those_that_something_stands_in_and_doors_are_called_by_their_names() -> None:
    chart = charted(node("view", "V", node("redis", "GET x")), jobs=(node("task", "t", node("job", "t")),))

    assert chart.lanes() == {"client": "client", "door": "view, job", "Redis": "Redis"}


def test_steps_inside_of_their_own_lane_are_told_apart() -> None:
    rows = charted(node("service", "A", node("service", "B", node("on commit", "c")))).rows

    assert [row.nesting for row in rows[1:4]] == [0, 1, 2]


def test_what_is_sent_to_a_client_leads_back_to_its_lane() -> None:
    rows = charted(node("consumer", "C.receive", node("sent", "websocket.send", detail="ack"))).rows

    assert [(row.lane, row.nesting) for row in rows[1:3]] == [("door", 0), ("client", 0)]
