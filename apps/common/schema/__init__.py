"""Documents for programs: of the API as OpenAPI, of sockets as AsyncAPI, and the page that people read of them."""

from apps.common.schema.asyncapi import Components, Socket, asyncapi_document, asyncapi_yaml, frame_schema, sockets_at
from apps.common.schema.openapi import (
    ACCEPTED,
    LOCATION,
    NO_CONTENT,
    EnumFieldExtension,
    ProblemSchema,
    ProblemSerializer,
)
from apps.common.schema.reference import reference
from apps.common.schema.typescript import typescript

__all__ = [
    "ACCEPTED",
    "LOCATION",
    "NO_CONTENT",
    "Components",
    "EnumFieldExtension",
    "ProblemSchema",
    "ProblemSerializer",
    "Socket",
    "asyncapi_document",
    "asyncapi_yaml",
    "frame_schema",
    "reference",
    "sockets_at",
    "typescript",
]
