"""docs/packages.md names every package that is needed, where it is used, and a test that is there."""

import re
import tomllib
from pathlib import Path
from typing import Final

from tests.docs.markdown import ROOT, tables

PAGE: Final = ROOT / "docs" / "packages.md"
# Those whose module has another name than they have.
MODULES: Final = {
    "djangorestframework": "rest_framework",
    "pyjwt": "jwt",
    "argon2-cffi": "argon2",
    "django-filter": "django_filters",
    "django-cors-headers": "corsheaders",
    "django-csp": "csp",
    "django-celery-beat": "django_celery_beat",
    "django-environ": "environ",
    "django-redis": "django_redis",
    "sentry-sdk": "sentry_sdk",
    "prometheus-client": "prometheus_client",
    "drf-spectacular": "drf_spectacular",
    "django-storages": "storages",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "ua-parser": "ua_parser",
    "opentelemetry-sdk": "opentelemetry",
    "pytest-django": "pytest_django",
    "factory-boy": "factory",
}
# Of use by what they make possible: a faster parser, types, a layer for those who prefer it.
_BESIDE: Final = {"channels-redis", "django-stubs-ext", "opentelemetry-exporter-otlp-proto-http"}


def rows() -> dict[str, tuple[str, str]]:
    """Return of each package where it is used, and its test."""
    (table,) = tables(PAGE)
    cells = [[cell.content.split("`")[1] if "`" in cell.content else "" for cell in row] for row in table[1:]]
    return {package: (place, test) for package, _, place, test in cells}


def _needed() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["production"]]
    return {re.split(r"[\[>=<]", line)[0] for line in wanted}


def test_every_package_that_runs_in_production_has_its_row() -> None:
    assert _needed() - _BESIDE - set(rows()) == set()


def test_each_is_used_where_the_page_says() -> None:
    unused = [
        package
        for package, (place, _) in rows().items()
        if not re.search(
            rf"\b{re.escape(MODULES.get(package, package).replace('-', '_'))}\b|{re.escape(package)}",
            (ROOT / place).read_text(encoding="utf-8"),
            re.IGNORECASE,
        )
    ]

    assert unused == []


def test_each_has_a_test_that_is_there() -> None:
    assert [test for _, test in rows().values() if not _is_there(test)] == []


def _is_there(test: str) -> bool:
    if test.startswith("make "):
        return f"\n{test.removeprefix('make ')}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    path, _, name = test.partition("::")
    there = Path(ROOT / path)
    return there.exists() and (not name or f"def {name}(" in there.read_text(encoding="utf-8"))
