"""What `manage.py check_layers` and `python -m layerline.contract` share."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from layerline.contract import explain
from layerline.contract.baseline import Baseline, BaselineError
from layerline.contract.catalogue import RULES
from layerline.contract.checker import check
from layerline.contract.findings import Finding, as_github, as_json, as_text
from layerline.contract.layout import LayoutError


class Output(Protocol):
    """What can be written to: a stream, or a management command's wrapper of one."""

    def write(self, text: str, /) -> object:
        """Write the text; where it lacks a line end, one may be added."""
        ...


_FORMATS: Final[Mapping[str, Callable[[Sequence[Finding]], str]]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
}
_ALL: Final = "all"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files and folders to tell of; default: all"
    )
    parser.add_argument("--root", type=Path, default=Path(), help="the folder of pyproject.toml; default: this one")
    parser.add_argument("--format", choices=sorted(_FORMATS), default="text", help="how findings are written")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="known findings, which may only become fewer")
    parser.add_argument("--update-baseline", action="store_true", help="write them down anew; refuses to add any")
    parser.add_argument(
        "--explain", nargs="?", const=_ALL, metavar="RULE", help="tell of one rule, or print the page of all"
    )


def run(options: Mapping[str, Any], *, out: Output, err: Output) -> int:
    """Do what the options say and return the exit code: 0 if nothing was found, 1 if something was, 2 on misuse."""
    if options["explain"]:
        return _explain(options["explain"], out, err)
    if options["update_baseline"] and (options["paths"] or not options["baseline"]):
        err.write("--update-baseline needs --baseline FILE, and no PATH: it is about the whole project.\n")
        return 2
    try:
        return _check(options, out)
    except (BaselineError, LayoutError, ValueError) as error:
        err.write(f"{error}\n")
        return 2


def _check(options: Mapping[str, Any], out: Output) -> int:
    findings = check(options["root"], options["paths"])
    if options["update_baseline"]:
        count = Baseline(options["baseline"]).update(findings)
        out.write(f"{options['baseline'].name} holds {count} findings.\n")
        return 0
    if options["baseline"]:
        findings = Baseline(options["baseline"]).judge(findings, complete=not options["paths"])
    if findings or options["format"] == "json":
        out.write(f"{_FORMATS[options['format']](findings)}\n")
    if options["format"] == "text":
        out.write(f"{_verdict(len(findings), has_baseline=bool(options['baseline']))}\n")
    return int(bool(findings))


def _verdict(count: int, *, has_baseline: bool) -> str:
    if count:
        return f"{count} finding{'s' if count > 1 else ''}"
    return "Nothing that the baseline does not know." if has_baseline else "The layers hold."


def _explain(name: str, out: Output, err: Output) -> int:
    if name == _ALL:
        out.write(explain.page())
        return 0
    for rule in RULES:
        if rule.name == name:
            out.write(explain.rule_page(rule))
            return 0
    err.write(f"No rule is called {name!r}. There are: {', '.join(rule.name for rule in RULES)}.\n")
    return 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a shell, without Django."""
    parser = ArgumentParser(prog="check_layers", description="Check the layers of every slice.")
    add_arguments(parser)
    return run(vars(parser.parse_args(arguments)), out=sys.stdout, err=sys.stderr)
