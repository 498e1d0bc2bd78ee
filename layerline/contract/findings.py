"""What the checker reports, and the three ways to write it down."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place where the contract is broken.

    Args:
        path: The file, relative to the project, with slashes.
        line: Counted from 1.
        rule: The rule's name.
        what: What is wrong there.
        mend: How to mend it.
    """

    path: str
    line: int
    rule: str
    what: str
    mend: str

    def __str__(self) -> str:
        return _on_one_line(f"{self.path}:{self.line}: {self.rule}: {self.what}; {self.mend}")


def as_text(findings: Sequence[Finding]) -> str:
    return "\n".join(map(str, findings))


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_github(findings: Sequence[Finding]) -> str:
    """Return workflow commands that GitHub shows as annotations of the changed lines."""
    return "\n".join(
        f"::error file={_property(finding.path)},line={finding.line},title={_property(finding.rule)}"
        f"::{_message(f'{finding.what}; {finding.mend}')}"
        for finding in findings
    )


def _on_one_line(text: str) -> str:
    """Escape what no terminal shows: a file's name may hold line breaks, and bytes that are no text."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _message(text: str) -> str:
    return _on_one_line(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
