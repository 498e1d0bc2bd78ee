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
slices = ["apps"]                    # packages whose own packages are slices
infrastructure = ["infrastructure"]  # what may talk to the outside
packages = ["apps", "config"]        # what is looked through; import-linter's root packages where it is left out
```

`"."` among the slices stands for Django apps beside `manage.py`: each of the packages that has an `apps.py`.

## Allowing a finding

A comment at the end of the line allows one rule there, with a reason. Without a reason, or where nothing is found any
more, the comment is a finding itself (`allow-without-reason`, `unused-allow`). Import directions cannot be allowed.

```python
print(token)  # layerline: allow print-in-slice: the command's whole purpose
```

## In a project with old code

The checker needs neither Django nor that project's packages. From here it checks any folder: say in its
`pyproject.toml` where its slices are, and write down once what it has.

```sh
.venv/bin/python -m layerline.contract --root ../shop --baseline ../shop/layers.json --update-baseline
.venv/bin/python -m layerline.contract --root ../shop --baseline ../shop/layers.json    # from then on
```

The baseline holds how many findings of each rule each file has. The second command fails on any more, and on an entry
that is no longer needed (`stale-baseline`). The file may only shrink: `--update-baseline` refuses to add. This project
has none. A rule that is not yours takes its place in the baseline like any other; nothing has to be mended at once.

What to expect, from the sources of projects that were written by other rules:

| project | slices | lines | findings | most of them | processor time |
|---|---|---|---|---|---|
| django-oscar 4.2.1 | `oscar.apps` | 43,000 | 131 | orm-in-door, local-import | 2 s |
| django-allauth 65.21.1 | `allauth` | 41,000 | 474 | local-import, side-effect-outside-infrastructure | 3 s |
| wagtail 8.0.1 | `wagtail`, `wagtail.contrib` | 272,000 | 718 | local-import, orm-in-door | 13 s |
| weblate 5.14.3 | `weblate` | 176,000 | 1,179 | orm-in-door, local-import | 9 s |
| pretix 2026.8.0 | `pretix`, `pretix.plugins` | 181,000 | 2,332 | orm-in-door, local-import | 12 s |

## The rules

A file that cannot be parsed is a finding too (`syntax-error`).

{table}
"""
USAGE: Final = """\
check_layers [PATH ...] [--root FOLDER] [--format text|json|github] [--baseline FILE [--update-baseline]]
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
