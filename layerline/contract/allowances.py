"""Comments that allow a finding: `# layerline: allow RULE: reason`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from layerline.contract.catalogue import RULES
from layerline.contract.findings import Finding
from layerline.contract.modules import Module
from layerline.contract.rule import Hit

MARK: Final = "layerline: allow"
_COMMENT: Final = re.compile(r"#\s*layerline:\s*allow\b\s*(?P<rule>[\w/-]*)\s*:?(?P<reason>.*)")
_KNOWN: Final = frozenset(rule.name for rule in RULES)


@dataclass(eq=False)
class _Allowance:
    line: int
    rule: str
    reason: str
    used: bool = False


class Allowances:
    """The comments of one module."""

    def __init__(self, module: Module) -> None:
        self._path = module.path
        # The tokenizer is slow, and most files hold no such comment.
        comments: Iterable[tuple[int, str]] = module.comments.items() if "layerline:" in module.text else ()
        self._all = [
            _Allowance(line, match["rule"], match["reason"].strip())
            for line, comment in comments
            if (match := _COMMENT.search(comment))
        ]

    def allow(self, rule: str, hit: Hit) -> bool:
        """Tell whether a comment on one of the hit's lines allows it."""
        fitting = [
            allowance
            for allowance in self._all
            if allowance.rule == rule and hit.line <= allowance.line <= hit.last_line and not hit.path
        ]
        for allowance in fitting:
            allowance.used = True
        return bool(fitting)

    def faults(self) -> Iterator[Finding]:
        """Yield what is wrong with the comments themselves."""
        for allowance in self._all:
            if not allowance.used:
                what = "allows nothing here" if allowance.rule in _KNOWN else f"no rule is called {allowance.rule!r}"
                yield Finding(self._path, allowance.line, "unused-allow", what, "take the comment away")
            elif not allowance.reason:
                yield Finding(
                    self._path,
                    allowance.line,
                    "allow-without-reason",
                    f"{allowance.rule} is allowed without a reason",
                    f"write it: `# {MARK} {allowance.rule}: reason`",
                )
