from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.requests import actor
from apps.common.schema import NO_CONTENT
from apps.common.throttling import RevocationThrottle, SustainedUserThrottle
from apps.common.views import BaseViewSet
from apps.users.authentication import bearer_of
from apps.users.selectors import SessionSelector
from apps.users.serializers import SessionSerializer, TicketSerializer
from apps.users.services import SessionService


class SessionViewSet(BaseViewSet):
    """The devices on which I am signed in."""

    permission_classes = [IsAuthenticated]
    serializer_class = SessionSerializer
    filter_backends = []
    throttles_by_action: ClassVar[dict[str, list[type]]] = {"destroy": [RevocationThrottle, SustainedUserThrottle]}

    def get_throttles(self) -> list[Any]:
        return [throttle() for throttle in self.throttles_by_action.get(self.action, self.throttle_classes)]

    def list(self, request: Request) -> Response:
        """List my open sessions, newest first."""
        bearer = bearer_of(request)
        sessions = SessionSelector.open_listing(user_id=bearer.user_id, current_id=bearer.session_id)
        page: Any = self.paginate_queryset(sessions)
        return self.get_paginated_response(SessionSerializer(page, many=True).data)

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, session_id: UUID) -> Response:
        """End one of my sessions; its tokens are refused from the next request on."""
        SessionService.end(user_id=actor(request).id, session_id=session_id)
        return Response(status=204)


class TicketViewSet(BaseViewSet):
    """What opens a socket in the place of an access token."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle]

    @extend_schema(request=None, responses={201: TicketSerializer})
    def create(self, request: Request) -> Response:
        """Make a ticket for one socket, to be used once and at once."""
        ticket = SessionService.issue_ticket(bearer=bearer_of(request))
        return Response(TicketSerializer(ticket).data, status=201)


class LogoutAllViewSet(BaseViewSet):
    """Signing out everywhere."""

    permission_classes = [IsAuthenticated]
    throttle_classes = [RevocationThrottle, SustainedUserThrottle]

    @extend_schema(request=None, responses={204: NO_CONTENT})
    def create(self, request: Request) -> Response:
        """End all my sessions, on every device."""
        SessionService.logout_all(user_id=actor(request).id)
        return Response(status=204)
