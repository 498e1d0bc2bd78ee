"""The page about the contract, made of what the rules say of themselves."""

import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import Final

from layerline.contract.catalogue import RULES
from layerline.contract.rule import Rule

_EXAMPLE: Final = re.compile(
    r"^(GIVEN|BAD|GOOD) \((?P<path>[^)]+)\):(?P<rest>[^\n]*)\n(?P<code>(?:    .*\n|\n)*)", re.MULTILINE
)
_TIMES: Final = re.compile(r"\s*(?P<line>.+), (?P<count>\d+) times")
_INTRODUCTION: Final = """\
# The contract

`manage.py check_layers` checks the layers of every slice. `make check` runs it, and so does
`python -m layerline.contract`, which needs no settings and no database.

```
{usage}
```

Each finding is one line: `file:line: rule: what is wrong; how to mend it`. The exit code is 1 if there is one.

Two kinds of rules are checked. **Import directions** are import-linter's contracts in `pyproject.toml`; their findings
are called `imports/` and the contract's id, and [architecture.md](architecture.md) tells of each. **What imports cannot
show** is read off the syntax tree, by the rules below: imports are followed to where a name is defined, and values
through each function, so that `.filter` of a queryset is told from `.filter` of anything else. What it cannot know it
lets pass.

Which folders are what stands in `pyproject.toml`; layers are told by their file names.

```toml
[tool.layerline]
slices = ["apps"]
infrastructure = ["infrastructure"]
```

## Allowing a finding

A comment at the end of the line allows one rule there, with a reason. Without a reason, or where nothing is found any
more, the comment is a finding itself (`allow-without-reason`, `unused-allow`). Import directions cannot be allowed.

```python
print(token)  # layerline: allow print-in-slice: the command's whole purpose
```

## A baseline

For a project that takes the checker up with old code: `check_layers --baseline FILE --update-baseline` writes down how
many findings each file has. `--baseline FILE` then fails on any more, and on an entry that is no longer needed
(`stale-baseline`). The file may only shrink: `--update-baseline` refuses to add. This project has none.

## The rules

A file that cannot be parsed is a finding too (`syntax-error`).

{table}
"""
USAGE: Final = """\
check_layers [PATH ...] [--format text|json|github] [--baseline FILE [--update-baseline]]
check_layers --explain [RULE]"""


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of code in a rule's docstring, which is also its test.

    Args:
        kind: BAD, in which the rule must find something; GOOD, in which none may; or GIVEN, which stands beside both.
        path: The file that it would stand in.
        code: Its text.
    """

    kind: str
    path: str
    code: str


def examples(rule: Rule) -> list[Example]:
    """Return the examples of a rule's docstring."""
    text = inspect.cleandoc(rule.doc) + "\n"
    return [Example(match[1], match["path"], _code(match)) for match in _EXAMPLE.finditer(text)]


def _code(match: re.Match[str]) -> str:
    repeated = _TIMES.fullmatch(match["rest"])
    if repeated:
        return f"{repeated['line']}\n" * int(repeated["count"])
    return textwrap.dedent(match["code"]).strip("\n") + "\n"


def rule_page(rule: Rule) -> str:
    """Return what there is to know about one rule, as Markdown."""
    text = inspect.cleandoc(rule.doc) + "\n"
    prose = text[: _EXAMPLE.search(text).start()].strip()  # type: ignore[union-attr]  # each rule has examples: a test holds it
    parts = [f"### {rule.name}", prose, f"How to mend it: {rule.mend}."]
    for match in _EXAMPLE.finditer(text):
        title = f"{match[1].capitalize()}, in `{match['path']}`:"
        if _TIMES.fullmatch(match["rest"]):
            parts.append(f"{title}{match['rest']}.")
        else:
            parts += [title, f"```python\n{_code(match)}```"]
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """Return the whole page, as docs/contract.md holds it."""
    lines = ["| rule | what it holds |", "|---|---|"]
    lines += [f"| [{rule.name}](#{rule.name}) | {inspect.cleandoc(rule.doc).partition('\n')[0]} |" for rule in RULES]
    introduction = _INTRODUCTION.format(usage=USAGE, table="\n".join(lines))
    return "\n".join([introduction, *(rule_page(rule) for rule in RULES)])
