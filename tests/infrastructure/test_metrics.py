"""What is counted, and that PostgreSQL being away hides none of it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from infrastructure import metrics


def _figures() -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.fixture
def before(db: None) -> dict[tuple[str, ...], float]:
    """What was counted before: a process counts as long as it lives."""
    return _figures()


def test_sockets_are_counted_as_they_come_and_go(before: dict[tuple[str, ...], float]) -> None:
    metrics.socket_opened()
    metrics.socket_opened()
    metrics.socket_closed(code=4401)

    after = _figures()
    assert after["layerline_sockets",] - before.get(("layerline_sockets",), 0) == 1
    key = ("layerline_sockets_closed_total", "4401")
    assert after[key] - before.get(key, 0) == 1
    metrics.socket_closed(code=None)


def test_attempts_of_jobs_are_counted_by_their_outcome(before: dict[tuple[str, ...], float]) -> None:
    metrics.worked(job="tests.note", outcome="done", seconds=0.2)

    after = _figures()
    for key, expected in {
        ("layerline_jobs_total", "tests.note", "done"): 1,
        ("layerline_job_seconds_count", "tests.note"): 1,
        ("layerline_job_seconds_sum", "tests.note"): 0.2,
    }.items():
        assert after[key] - before.get(key, 0) == pytest.approx(expected)
