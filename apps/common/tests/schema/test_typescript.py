from apps.common.enums import CloseCode
from apps.common.schema import asyncapi_document, sockets_at, typescript
from apps.common.tests.consumers.support import ROUTES


def test_each_frame_is_an_interface_and_each_socket_two_unions() -> None:
    module = typescript(asyncapi_document(sockets_at(ROUTES)))

    assert module.count("export interface ") == module.count("  | ")
    assert '  type: "say";\n' in module
    assert "  text: string;\n" in module
    assert "  times?: number;\n" in module
    assert "  errors?: Array<FieldError>;\n" in module
    assert "export type FieldError = {" in module
    assert all(f"{int(code)}" in module for code in CloseCode)
    assert "unknown" not in module.replace("Record<string, unknown>", "")
