"""A contract type for import-linter: a slice is used through its face, whichever of its modules that is made of."""

from typing import Any, override

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class SliceFaceContract(Contract):
    """One slice may import another's face only, and its tests the other's factories as well.

    Configuration:
        container: The package whose children are the slices.
        face: Modules of a slice that others may import.
        tests_face: Modules of a slice that the tests of others may import besides.
        open_slices: Slices that may be imported whole.
    """

    type_name = "slice_face"

    container = fields.StringField()
    face = fields.SetField(subfield=fields.StringField())
    tests_face = fields.SetField(subfield=fields.StringField())
    open_slices = fields.SetField(subfield=fields.StringField())

    @override
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = [
            (importer, imported)
            for importer in sorted(self._modules(graph))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if self._is_forbidden(importer, imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    @override
    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} imports {imported}, which is not in the face of its slice.", bold=False)
            output.indent_cursor()
            output.print(f"Call one of: {', '.join(sorted(self._names('face')))}.")
            output.new_line()

    def _modules(self, graph: ImportGraph) -> set[str]:
        prefix = f"{self.container}."
        return {module for module in graph.modules if module.startswith(prefix)}

    def _is_forbidden(self, importer: str, imported: str) -> bool:
        prefix = f"{self.container}."
        if not imported.startswith(prefix):
            return False
        own, _, importing_module = importer.removeprefix(prefix).partition(".")
        other, _, module = imported.removeprefix(prefix).partition(".")
        if own == other or other in self._names("open_slices"):
            return False
        allowed = self._names("face")
        if importing_module.partition(".")[0] == "tests":
            allowed |= self._names("tests_face")
        return not any(module == name or module.startswith(f"{name}.") for name in allowed)

    def _names(self, field: str) -> set[str]:
        names: Any = getattr(self, field)
        return set(names)
