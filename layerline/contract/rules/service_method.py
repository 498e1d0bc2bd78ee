"""Methods of services and selectors are static, keyword-only and fully typed.

The incident: `transfer(1, 2)` moved a room from its new owner to its old one. With `transfer(room_id=1, owner_id=2)`
nobody has to know an order.

BAD (apps/rooms/services.py):
    class RoomService:
        @staticmethod
        def transfer(room_id: int, owner_id: int) -> None:
            raise NotImplementedError

GOOD (apps/rooms/services.py):
    class RoomService:
        @staticmethod
        def transfer(*, room_id: int, owner_id: int) -> None:
            raise NotImplementedError
"""

from collections.abc import Iterator
from typing import Final

from layerline.contract.modules import Function
from layerline.contract.rule import Hit, Rule, Source, at, in_layers, is_namespace, public_methods


def _find(source: Source) -> Iterator[Hit]:
    for node in source.classes():
        if is_namespace(node):
            for method in public_methods(node):
                fault = _fault(method)
                if fault:
                    yield at(method, f"`{node.name}.{method.name}` {fault}")


def _fault(method: Function) -> str | None:
    names = {getattr(decorator, "id", None) for decorator in method.decorator_list}
    arguments = method.args
    if "staticmethod" not in names:
        return "is not static"
    if arguments.posonlyargs or arguments.args or arguments.vararg:
        return "takes arguments by position"
    parameters = [*arguments.kwonlyargs, *filter(None, [arguments.kwarg])]
    untyped = [parameter.arg for parameter in parameters if parameter.annotation is None]
    if untyped:
        return f"does not say the type of `{untyped[0]}`"
    return "does not say what it returns" if method.returns is None else None


RULE: Final = Rule(
    name="positional-service-method",
    doc=__doc__,
    mend="make it `@staticmethod def name(*, argument: Type) -> Type`",
    applies=in_layers("services", "selectors"),
    find=_find,
)
