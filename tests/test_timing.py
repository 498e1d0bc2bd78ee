"""Whether the work of an answer tells what the answer does not.

Measured by the processor's time of this thread, which other programs on the machine hardly disturb: a difference of a
tenth of what a network hides is seen. `tests/e2e/test_timing.py` looks at a real server by the clock.
"""

from time import thread_time
from typing import Final

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from tests import timing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]

SAMPLES: Final = 150


def _send(path: str, body: timing.Body, token: str | None) -> tuple[int, float]:
    client = APIClient()
    if token:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    started = thread_time()
    response = client.post(path, body)
    return response.status_code, thread_time() - started


@pytest.mark.parametrize("name", timing.NAMES)
def test_the_work_does_not_tell_what_the_answer_keeps_silent_about(settings: Settings, name: str) -> None:
    settings.REGISTRATION_DISCLOSES_TAKEN = False

    seconds = timing.measure(timing.situation(name), SAMPLES, _send)

    assert max(timing.guesses(seconds).values()) <= timing.chance(SAMPLES), timing.report(seconds)


def test_a_millisecond_of_more_work_would_be_seen() -> None:
    given = timing.situation("another link")

    def send(path: str, body: timing.Body, token: str | None) -> tuple[int, float]:
        status, seconds = _send(path, body, token)
        return status, seconds + (0.001 if token == given.tokens["confirmed"] else 0.0)

    assert timing.guesses(timing.measure(given, SAMPLES, send))["fresh / confirmed"] > timing.chance(SAMPLES)
