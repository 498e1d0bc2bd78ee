"""Where the checker looks: as pyproject.toml says, and never nowhere."""

from pathlib import Path

import pytest

from layerline.contract.checker import check
from layerline.contract.layout import Layout, LayoutError
from tests.layerline.contract.support import plant

_PRINTS = {f"{app}/{file}.py": "print(1)\n" for app in ("polls", "mysite") for file in ("apps", "views", "models")}


def test_apps_beside_manage_py_are_slices_where_the_configuration_says_so(tmp_path: Path) -> None:
    plant(tmp_path, {**_PRINTS, "mysite/settings.py": "", "pyproject.toml": '[tool.layerline]\nslices = ["."]\n'})
    (tmp_path / "mysite" / "apps.py").unlink()

    assert [(finding.path, finding.rule) for finding in check(tmp_path)] == [
        ("polls/apps.py", "print-in-slice"),
        ("polls/models.py", "print-in-slice"),
        ("polls/views.py", "print-in-slice"),
    ]


def test_infrastructure_beside_manage_py_is_no_slice(tmp_path: Path) -> None:
    tables = '[tool.layerline]\nslices = ["."]\ninfrastructure = ["mysite"]\n'
    plant(tmp_path, {**_PRINTS, "pyproject.toml": tables})

    assert {finding.path.partition("/")[0] for finding in check(tmp_path)} == {"polls"}


def test_a_project_may_have_no_infrastructure(tmp_path: Path) -> None:
    tables = '[tool.layerline]\nslices = ["."]\ninfrastructure = []\n'
    plant(tmp_path, {**_PRINTS, "pyproject.toml": tables})

    assert {finding.path.partition("/")[0] for finding in check(tmp_path)} == {"polls", "mysite"}


def test_a_container_may_stand_beside_them(tmp_path: Path) -> None:
    plant(tmp_path, {**_PRINTS, "shop/apps/cart/views.py": "", "pyproject.toml": ""})
    (tmp_path / "pyproject.toml").write_text('[tool.layerline]\nslices = [".", "shop.apps"]\n', encoding="utf-8")

    layout = Layout.read(tmp_path)

    assert [layout.place(name).layer for name in ("polls.views", "shop.apps.cart.views", "shop.views")] == [
        "views",
        "views",
        "",
    ]


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ("", "'apps' holds no slices"),
        ('slices = ["poll"]', "'poll' holds no slices"),
        ('slices = ["polls.apps"]', r"'polls\.apps' holds no slices"),
        ('slices = ["polls"]\npackages = ["mysite"]', "'polls' holds no slices"),
        ('slices = ["."]\ninfrastructure = ["polls", "mysite"]', "There are no slices"),
        ("slices = []", "There are no slices"),
        ('slices = "polls"', "`slices` under .* is no list of packages"),
        ("slices = [1]", "`slices` under .* is no list of packages"),
        ('slices = ["polls"]\npackages = ["nowhere"]', "holds none of the packages"),
    ],
)
def test_who_looks_in_the_wrong_place_is_told(tmp_path: Path, tables: str, complaint: str) -> None:
    plant(tmp_path, {**_PRINTS, "pyproject.toml": f"[tool.layerline]\n{tables}\n"})

    with pytest.raises(LayoutError, match=complaint):
        Layout.read(tmp_path)
