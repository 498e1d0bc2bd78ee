from pathlib import Path

import pytest

from tests.layerline.contract.support import findings_in

_VIEWS = "apps/rooms/views.py"


def _found(root: Path, code: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.rule) for finding in findings_in(root, {_VIEWS: code})]


def test_a_comment_with_a_reason_allows_its_rule_on_its_line(tmp_path: Path) -> None:
    code = """
        print(1)  # layerline: allow print-in-slice: a drill
        print(2)
    """
    assert _found(tmp_path, code) == [(3, "print-in-slice")]


def test_a_comment_at_the_end_of_a_call_allows_the_whole_call(tmp_path: Path) -> None:
    code = """
        import urllib.request

        urllib.request.urlopen(
            "http://localhost",
            timeout=1,
        )  # layerline: allow side-effect-outside-infrastructure: asks itself
    """
    assert _found(tmp_path, code) == []


def test_a_comment_below_a_function_s_head_does_not_allow_the_head(tmp_path: Path) -> None:
    code = """
        class RoomService:
            def close(self) -> None:
                self.x = 1  # layerline: allow positional-service-method: too far down
    """
    found = findings_in(tmp_path, {"apps/rooms/services.py": code, "apps/rooms/selectors.py": ""})
    assert [(finding.line, finding.rule) for finding in found] == [
        (3, "positional-service-method"),
        (4, "unused-allow"),
    ]


@pytest.mark.parametrize("comment", ["# layerline: allow print-in-slice", "# layerline: allow print-in-slice:  "])
def test_a_comment_without_a_reason_is_a_finding(tmp_path: Path, comment: str) -> None:
    assert _found(tmp_path, f"print(1)  {comment}\n") == [(1, "allow-without-reason")]


def test_a_comment_that_allows_nothing_is_a_finding(tmp_path: Path) -> None:
    code = """
        A = 1  # layerline: allow print-in-slice: gone since
        print(A)  # layerline: allow orm-in-door: another rule
    """
    assert _found(tmp_path, code) == [(2, "unused-allow"), (3, "print-in-slice"), (3, "unused-allow")]


def test_a_comment_that_names_no_rule_is_a_finding(tmp_path: Path) -> None:
    (finding,) = findings_in(tmp_path, {_VIEWS: "A = 1  # layerline: allow printing: why not\n"})
    assert (finding.rule, finding.what) == ("unused-allow", "no rule is called 'printing'")


def test_a_string_is_no_comment(tmp_path: Path) -> None:
    assert _found(tmp_path, 'A = "# layerline: allow print-in-slice: in a text"\n') == []
