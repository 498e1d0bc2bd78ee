from pathlib import Path
from textwrap import dedent

from layerline.contract.checker import check
from tests.layerline.contract.support import plant

_SETTINGS = """
    [tool.layerline]
    slices = ["{package}"]

    [tool.importlinter]
    root_packages = ["{package}"]
    include_external_packages = true
    exclude_type_checking_imports = true
    contract_types = ["slice_face: layerline.import_contracts.SliceFaceContract"]
"""


def _check(root: Path, package: str, contracts: str, files: dict[str, str]) -> list[tuple[str, int, str]]:
    # Each test has a package of its own name, since Python remembers what it has found.
    configuration = dedent(_SETTINGS.format(package=package)) + dedent(contracts)
    plant(root, {"pyproject.toml": configuration, **{f"{package}/{path}": code for path, code in files.items()}})
    return [(finding.path, finding.line, finding.rule) for finding in check(root)]


def test_tells_where_a_layer_imports_one_above(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "layers"
        name = "Layers"
        type = "layers"
        containers = ["directed_a.*"]
        layers = ["(views)", "(services)"]
    """
    files = {"rooms/services.py": "import json\nfrom directed_a.rooms import views\n", "rooms/views.py": ""}
    assert _check(tmp_path, "directed_a", contract, files) == [("directed_a/rooms/services.py", 2, "imports/layers")]


def test_tells_of_a_module_that_is_in_no_layer(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "layers"
        name = "Layers"
        type = "layers"
        containers = ["directed_b.*"]
        exhaustive = true
        layers = ["(views)"]
    """
    files = {"rooms/helpers.py": "", "rooms/views.py": ""}
    assert _check(tmp_path, "directed_b", contract, files) == [("directed_b/rooms/helpers.py", 1, "imports/layers")]


def test_tells_where_a_module_imports_what_is_forbidden(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "transport"
        name = "No transport"
        type = "forbidden"
        source_modules = ["directed_c.*.services"]
        forbidden_modules = ["redis"]
        allow_indirect_imports = true
    """
    files = {"rooms/services.py": "\n\nimport redis.client\n"}
    assert _check(tmp_path, "directed_c", contract, files) == [("directed_c/rooms/services.py", 3, "imports/transport")]


def test_tells_where_a_protected_module_is_imported(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "signals"
        name = "Signals"
        type = "protected"
        protected_modules = ["directed_d.*.signals"]
        allowed_importers = ["directed_d.*.apps"]
    """
    files = {"rooms/signals.py": "", "rooms/apps.py": "from directed_d.rooms import signals\n"}
    assert _check(tmp_path, "directed_d", contract, files) == []
    assert _check(tmp_path, "directed_d", contract, {"rooms/views.py": "import directed_d.rooms.signals\n"}) == [
        ("directed_d/rooms/views.py", 1, "imports/signals")
    ]


def test_tells_where_a_slice_is_used_past_its_face(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "face"
        name = "Face"
        type = "slice_face"
        container = "directed_e"
        face = ["services"]
        tests_face = []
        open_slices = []
    """
    files = {
        "rooms/views.py": "from directed_e.users import services\nfrom directed_e.users.models import User\n",
        "users/services.py": "",
        "users/models.py": "User = 1\n",
    }
    assert _check(tmp_path, "directed_e", contract, files) == [("directed_e/rooms/views.py", 2, "imports/face")]


def test_a_comment_cannot_allow_a_direction(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "transport"
        name = "No transport"
        type = "forbidden"
        source_modules = ["directed_f.*.services"]
        forbidden_modules = ["redis"]
    """
    files = {"rooms/services.py": "import redis  # layerline: allow imports/transport: just once\n"}
    assert _check(tmp_path, "directed_f", contract, files) == [
        ("directed_f/rooms/services.py", 1, "imports/transport"),
        ("directed_f/rooms/services.py", 1, "unused-allow"),
    ]


def test_a_contract_that_cannot_be_checked_is_a_finding(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "layers"
        name = "Layers"
        type = "layers"
        layers = ["directed_g.nowhere"]
    """
    assert _check(tmp_path, "directed_g", contract, {"rooms/views.py": ""}) == [("pyproject.toml", 1, "imports")]


def test_a_package_that_python_finds_elsewhere_is_a_finding(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "layers"
        name = "Layers"
        type = "layers"
        layers = ["json"]
    """
    # The standard library's `json` has been imported long since.
    assert _check(tmp_path, "json", contract, {"rooms/views.py": ""}) == [("pyproject.toml", 1, "imports")]


def test_a_file_that_cannot_be_parsed_is_the_only_finding(tmp_path: Path) -> None:
    contract = """
        [[tool.importlinter.contracts]]
        id = "layers"
        name = "Layers"
        type = "layers"
        layers = ["directed_h.rooms"]
    """
    assert _check(tmp_path, "directed_h", contract, {"rooms/views.py": "def (:\n"}) == [
        ("directed_h/rooms/views.py", 1, "syntax-error")
    ]
