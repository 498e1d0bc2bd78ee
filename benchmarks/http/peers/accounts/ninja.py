"""django-ninja: its bearer, its throttles, its filters and its pages."""

from datetime import datetime
from uuid import UUID

import jwt
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import FilterSchema, NinjaAPI, Query, Schema
from ninja.errors import HttpError
from ninja.pagination import PageNumberPagination, paginate
from ninja.security import HttpBearer
from ninja.throttling import AuthRateThrottle

from accounts.models import Account


class Bearer(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Account | None:
        try:
            claims = jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"])
        except jwt.PyJWTError:
            return None
        return Account.objects.filter(pk=claims["user_id"], is_active=True).first()


class BurstThrottle(AuthRateThrottle):
    scope = "burst"


class SustainedThrottle(AuthRateThrottle):
    scope = "sustained"


api = NinjaAPI(
    auth=Bearer(),
    throttle=[BurstThrottle("1000000/m"), SustainedThrottle("1000000/d")],
    docs_url=None,
    openapi_url=None,
)


class AccountOut(Schema):
    id: UUID
    email: str
    name: str
    phone: str | None
    role: str
    email_verified: bool
    avatar: str | None
    created_at: datetime


class AccountDetailOut(AccountOut):
    is_active: bool
    updated_at: datetime


class AccountFilter(FilterSchema):
    role: str | None = None
    is_active: bool | None = None


class Credentials(Schema):
    email: str
    password: str


class Pair(Schema):
    access: str
    refresh: str


@api.get("me/", response=AccountOut)
def me(request):
    return request.auth


@api.get("users/", response=list[AccountDetailOut])
@paginate(PageNumberPagination, page_size=20)
def users(request, filters: Query[AccountFilter]) -> QuerySet[Account]:
    if request.auth.role != "admin":
        raise HttpError(403, "Not allowed.")
    return filters.filter(Account.objects.order_by("-created_at", "-id"))


@api.post("login/", auth=None, response=Pair)
def login(request, body: Credentials):
    account = Account.objects.filter(email=body.email, is_active=True).first()
    if account is None or not check_password(body.password, account.password):
        raise HttpError(401, "Wrong credentials.")
    token = jwt.encode({"user_id": str(account.pk)}, settings.SECRET_KEY, algorithm="HS256")
    return {"access": token, "refresh": token}
