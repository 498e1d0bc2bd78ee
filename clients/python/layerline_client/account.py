"""Somebody who is signed in: requests with a good access token, and rooms."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from layerline_client.errors import ProblemError
from layerline_client.room import Room

_PREFIX: Final = "/api/v1"
_SECONDS: Final = 10.0
# An access token is replaced so long before it ends that a request with it arrives in time.
_MARGIN: Final = 30.0
_UNAUTHORIZED: Final = 401
# Straight to the server: a proxy of the machine has no business with its tokens.
_opener: Final = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login or a refresh is answered with.

    Args:
        ends_at: When the access token does, in seconds of this machine's monotonic clock.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    ends_at: float

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Tokens":
        return cls(answer["access"], answer["refresh"], monotonic() + float(answer["expires_in"]))


class Account:
    """One session of an account. Its tokens are refreshed before they end; leaving the block logs out."""

    def __init__(self, base_url: str, tokens: Tokens) -> None:
        self.base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._refreshing = asyncio.Lock()

    @classmethod
    async def login(cls, base_url: str, email: str, password: str) -> Self:
        """Open a session.

        Raises:
            ProblemError: If the server does not let in.
            LookupError: If the account has a second factor: give the code to `/auth/mfa/verify/`, and the tokens here.
        """
        answer = await call(base_url, "POST", "/auth/login/", {"email": email, "password": password})
        if "mfa_token" in answer:
            raise LookupError("This account has a second factor.")
        return cls(base_url, Tokens.of(answer))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.logout()

    async def logout(self) -> None:
        """End the session."""
        await call(self.base_url, "POST", "/auth/logout/", {"refresh": self._tokens.refresh})

    async def access(self, *, fresh: bool = False) -> str:
        """Return an access token that is good for a while.

        Args:
            fresh: Get another one, as the present one was refused.

        Raises:
            ProblemError: If the session is over.
        """
        asked_with = self._tokens
        async with self._refreshing:
            # Of many who ask at once one refreshes.
            is_other = self._tokens is not asked_with
            if not is_other and (fresh or self._tokens.ends_at - monotonic() < _MARGIN):
                answer = await call(self.base_url, "POST", "/auth/refresh/", {"refresh": self._tokens.refresh})
                self._tokens = Tokens.of(answer)
        return self._tokens.access

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request below /api/v1, and return what the answer holds; None if it holds nothing.

        Raises:
            ProblemError: If the server refuses it.
        """
        try:
            return await call(self.base_url, method, path, body, access=await self.access(), headers=headers)
        except ProblemError as problem:
            if problem.status != _UNAUTHORIZED:
                raise
        return await call(self.base_url, method, path, body, access=await self.access(fresh=True), headers=headers)

    def room(self, slug: str, *, after: int | None = None) -> Room:
        """Return a room to talk in.

        Args:
            after: Begin behind this sequence number, as with 0 at the room's beginning; without it at its end.
        """
        scheme, _, rest = self.base_url.partition("://")
        address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/chat/{slug}/"
        return Room(address, self.access, after=after)


async def call(  # noqa: PLR0913  # what a request consists of
    base_url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    access: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Send one request below /api/v1, and return what the answer holds; None if it holds nothing.

    Raises:
        ProblemError: If the answer is no success.
        OSError: If there is no answer.
    """
    sent = {"Accept": "application/json", **(headers or {})}
    if access:
        sent["Authorization"] = f"Bearer {access}"
    data = None
    if body is not None:
        data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = Request(base_url.rstrip("/") + _PREFIX + path, data=data, headers=sent, method=method)  # noqa: S310  # the caller's own server
    return await asyncio.to_thread(_answer, request)


def _answer(request: Request) -> Any:
    try:
        with _opener.open(request, timeout=_SECONDS) as response:
            content = response.read()
    except HTTPError as error:
        with error:
            raise _problem(error) from None
    return json.loads(content) if content else None


def _problem(error: HTTPError) -> ProblemError:
    try:
        document = json.loads(error.read())
    except ValueError:
        document = None
    seconds = error.headers.get("Retry-After", "")
    return ProblemError(
        error.code, document if isinstance(document, dict) else {}, int(seconds) if seconds.isdecimal() else None
    )
