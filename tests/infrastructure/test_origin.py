import structlog

from infrastructure import origin
from infrastructure.origin import Origin, coming_from


def test_without_a_client_there_is_no_address() -> None:
    assert origin.current() == Origin(address=None, user_agent="")


def test_it_is_named_inside_the_block_and_no_longer() -> None:
    outer, inner = Origin("192.0.2.1", "browser"), Origin("192.0.2.2", "phone")

    with coming_from(outer):
        with coming_from(inner):
            assert origin.current() == inner
        assert origin.current() == outer
    assert origin.current() == Origin()


def test_the_request_id_is_the_one_of_the_log_lines() -> None:
    assert origin.request_id() == ""
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        assert origin.request_id() == "abc"
