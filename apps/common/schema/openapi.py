"""How the OpenAPI document learns of errors: each operation lists every problem that it can answer with."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from apps.common.handlers import PROBLEM_CONTENT_TYPE, PROBLEM_TYPE_BASE, PROBLEMS, Problem
from apps.common.requests import IDEMPOTENCY_HEADER, IDEMPOTENCY_PATTERN
from apps.common.serializers import EnumField, FieldErrorSerializer, StrictCharField, StrictSerializer

_ALWAYS: Final = ("bad_request", "not_acceptable", "throttled", "internal_error", "service_unavailable")
_SIGNED_IN: Final = ("authentication_failed", "token_expired", "token_invalid", "session_revoked")
_WITH_BODY: Final = ("validation_error", "parse_error", "payload_too_large", "unsupported_media_type")
_RETRY_AFTER: Final[dict[str, Any]] = {
    "Retry-After": {
        "required": True,
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
# What a view answers that has nothing to say.
NO_CONTENT: Final[Any] = OpenApiResponse(description="Done.")
LOCATION: Final[Any] = OpenApiParameter(
    "Location",
    location=OpenApiParameter.HEADER,
    response=[201],
    required=True,
    description="The path of what was made.",
)
# What a view answers that will see to it, and tells nothing.
ACCEPTED: Final[Any] = OpenApiResponse(
    {"type": "object", "additionalProperties": False},
    description="It will be seen to.",
    examples=[OpenApiExample("accepted", value={}, response_only=True)],
)
_IDEMPOTENCY: Final[list[Any]] = [
    OpenApiParameter(
        IDEMPOTENCY_HEADER,
        type={"type": "string", "pattern": IDEMPOTENCY_PATTERN},
        location=OpenApiParameter.HEADER,
        description="Under the same key the request is done once; for a day a second try gets the first one's answer.",
    ),
    OpenApiParameter(
        "Idempotent-Replayed",
        type=OpenApiTypes.BOOL,
        location=OpenApiParameter.HEADER,
        response=[200, 201, 202, 204],
        description="Present and true where the answer is that of an earlier request under the same key.",
    ),
]
_FOR_EVERYONE_SIGNED_IN: Final = {"AllowAny", "IsAuthenticated"}


class EnumFieldExtension(OpenApiSerializerFieldExtension):
    """Gives each enum one name: drf-spectacular by itself would make one up of the fields that use it."""

    target_class = EnumField

    def get_name(self) -> str:
        return f"{self.target.enum.__name__}Enum"

    def map_serializer_field(self, auto_schema: Any, direction: Direction) -> dict[str, Any]:
        values = EnumField(self.target.enum)
        schema: dict[str, Any] = auto_schema._map_serializer_field(values, direction, bypass_extensions=True)  # noqa: SLF001  # as the extension's documentation says
        # The mark by which it would find enums that have no name.
        schema.pop("x-spec-enum-id")
        return schema


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem document (RFC 9457)."""

    type = serializers.CharField(help_text="Leads to the meaning of the code.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.ChoiceField(choices=list(PROBLEMS), help_text="Stable: decide by this.")
    request_id = serializers.CharField(allow_null=True, help_text="Name it when you report the problem.")
    errors = FieldErrorSerializer(  # type: ignore[assignment]  # a field by that name hides DRF's property
        many=True, required=False, help_text="Which fields are wrong; on validation only."
    )


class ProblemSchema(AutoSchema):
    """Adds the problems of an operation: those of its kind, and those its view declares in `problem_codes`."""

    def get_override_parameters(self) -> list[Any]:
        return _IDEMPOTENCY if self._is_idempotent() else []

    def _is_idempotent(self) -> bool:
        return hasattr(getattr(self.view, getattr(self.view, "action", None) or "", None), "is_idempotent")

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status, problems in self._problems().items():
            response = OpenApiResponse(
                ProblemSerializer,
                description=" ".join(problem.meaning for problem in problems),
                examples=[_example(problem) for problem in problems],
            )
            bodies[str(status)] = self._get_response_for_code(  # type: ignore[no-untyped-call]  # drf-spectacular's
                response, str(status), [PROBLEM_CONTENT_TYPE], direction
            )
            if status in _HEADERS:
                bodies[str(status)]["headers"] = _HEADERS[status]
        return bodies

    def _map_basic_serializer(self, serializer: Any, direction: Direction) -> dict[str, Any]:
        described: dict[str, Any] = super()._map_basic_serializer(  # type: ignore[no-untyped-call]  # drf-spectacular's
            serializer, direction
        )
        if isinstance(serializer, StrictSerializer):
            described["additionalProperties"] = False
            for name, field in serializer.fields.items():
                if isinstance(field, StrictCharField):
                    described["properties"][name].setdefault("pattern", field.wire_pattern)
        return described

    def _problems(self) -> dict[int, list[Problem]]:
        by_status: dict[int, list[Problem]] = defaultdict(list)
        for code in dict.fromkeys(self._codes()):
            by_status[PROBLEMS[code].status].append(PROBLEMS[code])
        return dict(sorted(by_status.items()))

    def _codes(self) -> Iterable[str]:
        declared = getattr(self.view, "problem_codes", {})
        yield from declared.get(getattr(self.view, "action", None), ())
        if self._is_idempotent():
            yield "conflict"
        permissions = {type(permission) for permission in self.view.get_permissions()}
        if AllowAny not in permissions:
            yield from _SIGNED_IN
        if not {permission.__name__ for permission in permissions} <= _FOR_EVERYONE_SIGNED_IN:
            yield "forbidden"
        if self.method in {"POST", "PUT", "PATCH"}:
            yield from _WITH_BODY
        if self._is_list_view():
            yield from ("validation_error", "not_found")
        if self.view.kwargs or "{" in self.path:
            yield "not_found"
        yield from _ALWAYS


def _example(problem: Problem) -> OpenApiExample:
    value: dict[str, Any] = {
        "type": PROBLEM_TYPE_BASE + problem.code,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.meaning,
        "code": problem.code,
        "request_id": "0199f0c2-6f0e-7b1a-9d43-2b8f5c1e7a10",
    }
    if problem.code == "validation_error":
        value["errors"] = [{"field": "email", "code": "required", "detail": "This field is required."}]
    return OpenApiExample(problem.code, value=value, response_only=True, status_codes=[str(problem.status)])
