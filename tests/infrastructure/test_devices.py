import pytest

from infrastructure.devices import device_name

WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (WINDOWS, "Chrome on Windows"),
        (f"{WINDOWS} Edg/131.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        (PHONE, "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0 (Windows NT 10.0)", "Windows"),
    ],
)
def test_known_programs_and_systems_are_named(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


def test_of_an_unknown_program_the_header_is_shown_as_far_as_it_may_be_long() -> None:
    assert device_name("Kitchen/3.2") == "Kitchen/3.2"
    assert device_name("<b>'" + "é" * 200) == "<b>'" + "é" * 76


def test_a_device_that_says_nothing_has_a_name_too() -> None:
    assert device_name("") == "Unknown device"
