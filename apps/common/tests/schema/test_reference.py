from apps.common.enums import CloseCode
from apps.common.schema import reference, sockets_at
from apps.common.tests.consumers.support import ROUTES


def test_the_page_tells_of_every_frame_every_field_and_every_code() -> None:
    page = reference(sockets_at(ROUTES))

    assert "## /ws/closed/{reason}/" in page
    assert "| `say` | Say something. | `say.ack` |" in page
    assert "| `news` | Something is new. |" in page
    assert "| `text` | text, 10 characters at most |  |" in page
    assert "| `times`, may be left out | whole number |  |" in page
    assert "| `errors`, may be left out | list of object | Which fields are wrong; on validation only. |" in page
    assert '{"type": "say", "text": "ha", "times": 2}' in page
    assert all(f"| {int(code)} |" in page for code in CloseCode)
