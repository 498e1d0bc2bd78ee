"""Findings that a project had when it took up the checker: they may become fewer, and never more."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerline.contract.findings import Finding

type Key = tuple[str, str]


class BaselineError(Exception):
    """A baseline that cannot be read, or that would have to grow."""


class Baseline:
    """How many findings of each rule each file may have."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._counts = _read(file)

    def judge(self, findings: Sequence[Finding], *, complete: bool = True) -> list[Finding]:
        """Return the findings that the baseline does not cover, and one for each entry that is no longer needed.

        Args:
            findings: Those of the project, or of a part of it.
            complete: Whether they are those of the whole project.
        """
        counts = _count(findings)
        left: list[Finding] = []
        for finding in findings:
            key = finding.path, finding.rule
            known = self._counts.get(key, 0)
            if counts[key] > known:
                left.append(
                    finding
                    if not known
                    else replace(finding, what=f"{finding.what} ({counts[key]} here, {known} known)")
                )
        if complete:
            left += [
                Finding(
                    self._file.name,
                    1,
                    "stale-baseline",
                    f"{path} has {counts[path, rule]} findings of {rule}, not {known}",
                    "take the mended ones out with --update-baseline",
                )
                for (path, rule), known in self._counts.items()
                if counts[path, rule] < known
            ]
        return sorted(left)

    def update(self, findings: Sequence[Finding]) -> int:
        """Write the findings down, and return how many they are. The first time they may be any; later only fewer.

        Raises:
            BaselineError: If there is a finding that the file does not know.
        """
        counts = _count(findings)
        grown = [key for key in counts if counts[key] > self._counts.get(key, 0)]
        if self._file.exists() and grown:
            path, rule = min(grown)
            raise BaselineError(f"A baseline only shrinks: {path} has a new finding of {rule}.")
        files: dict[str, dict[str, int]] = {}
        for path, rule in sorted(counts):
            files.setdefault(path, {})[rule] = counts[path, rule]
        self._file.write_text(json.dumps({"version": 1, "files": files}, indent=2) + "\n", encoding="utf-8")
        return sum(counts.values())


def _count(findings: Sequence[Finding]) -> Counter[Key]:
    return Counter((finding.path, finding.rule) for finding in findings)


def _read(file: Path) -> dict[Key, int]:
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8"))
        return {
            (str(path), str(rule)): int(count)
            for path, rules in document["files"].items()
            for rule, count in rules.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaselineError(f"{file.name} is no baseline of this program: {error}") from error
