"""FastAPI with SQLAlchemy's asyncio and a pool of 20.

With LIMITS=1 it counts the same limits in Redis as ours; with USER_FROM=redis it has the user from there, and with
USER_FROM=pipeline both in one round trip.
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict
from redis.asyncio import BlockingConnectionPool, Redis
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = os.environ["PEERS_SECRET"]
PREFIX = os.environ["REDIS_KEY_PREFIX"]
USER_FROM = os.environ.get("USER_FROM", "postgres")
LIMITS = os.environ.get("LIMITS") == "1"
# Requests, and the seconds of their window.
RATES = {"burst": (1_000_000, 60), "sustained": (1_000_000, 86_400)}
# All windows at once, in one script: fewer round trips than any library for limits takes.
COUNT = """
local answer = {1}
for index, name in ipairs(KEYS) do
  local used = redis.call('INCR', name)
  if used == 1 then redis.call('EXPIRE', name, ARGV[2 * index]) end
  if used > tonumber(ARGV[2 * index - 1]) then answer[1] = 0 end
  answer[index + 1] = used
end
return answer
"""

database = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://", 1)
engine = create_async_engine(database, pool_size=20, max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)
redis = Redis(connection_pool=BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=50))
count_script = redis.register_script(COUNT)
time_cost, memory_cost, parallelism = (int(number) for number in os.environ["ARGON2_COST"].split(","))
hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)
app = FastAPI(openapi_url=None)
bearer = OAuth2PasswordBearer(tokenUrl="login")


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    phone: Mapped[str | None]
    role: Mapped[str]
    is_active: Mapped[bool]
    email_verified_at: Mapped[datetime | None]
    avatar: Mapped[str]
    password: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None


class AccountOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

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


class Page(BaseModel):
    count: int
    results: list[AccountDetailOut]


class Credentials(BaseModel):
    email: str
    password: str


class Filters(BaseModel):
    page: int = 1
    role: str | None = None
    is_active: bool | None = None
    ordering: Literal["-created_at", "created_at"] = "-created_at"


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


def user_id_of(token: Annotated[str, Depends(bearer)]) -> UUID:
    try:
        return UUID(jwt.decode(token, SECRET, algorithms=["HS256"])["user_id"])
    except jwt.PyJWTError:
        raise HTTPException(401, "Not valid.", {"WWW-Authenticate": "Bearer"}) from None


# No coroutine and no thread for it: a dependency that is `async` costs less than one that is not.
async def get_user_id(token: Annotated[str, Depends(bearer)]) -> UUID:
    return user_id_of(token)


UserId = Annotated[UUID, Depends(get_user_id)]


async def count(user_id: UUID, response: Response) -> None:
    keys, arguments = _counters(user_id)
    _refuse_or_tell(await count_script(keys=keys, args=arguments), response)


def _counters(user_id: UUID) -> tuple[list[str], list[int]]:
    return [f"{PREFIX}:{scope}:{user_id}" for scope in RATES], [number for rate in RATES.values() for number in rate]


def _refuse_or_tell(answer: list[int], response: Response) -> None:
    allowed, *used = answer
    if not allowed:
        raise HTTPException(429, "Too many requests.")
    left = zip(RATES.items(), used, strict=True)
    response.headers["RateLimit"] = ", ".join(f'"{scope}";r={rate[0] - one}' for (scope, rate), one in left)


async def user_from_postgres(user_id: UserId, session: Session, response: Response) -> Account:
    if LIMITS:
        await count(user_id, response)
    account = await session.get(Account, user_id)
    if account is None or not account.is_active:
        raise HTTPException(401, "Not valid.")
    return account


async def user_from_redis(user_id: UserId, response: Response) -> AccountDetailOut:
    if LIMITS:
        await count(user_id, response)
    return await _cached(user_id, await redis.get(f"{PREFIX}:user:{user_id}"))


async def user_and_limits_from_redis(user_id: UserId, response: Response) -> AccountDetailOut:
    keys, arguments = _counters(user_id)
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.get(f"{PREFIX}:user:{user_id}")
        await count_script(keys=keys, args=arguments, client=pipeline)
        text, answer = await pipeline.execute()
    _refuse_or_tell(answer, response)
    return await _cached(user_id, text)


async def _cached(user_id: UUID, text: bytes | None) -> AccountDetailOut:
    if text is not None:
        return AccountDetailOut.model_validate_json(text)
    async with new_session() as session:
        account = AccountDetailOut.model_validate(await session.get(Account, user_id))
    await redis.set(f"{PREFIX}:user:{user_id}", account.model_dump_json(), ex=300)
    return account


_SOURCES = {"postgres": user_from_postgres, "redis": user_from_redis, "pipeline": user_and_limits_from_redis}
User = Annotated[Account, Depends(_SOURCES[USER_FROM])]


@app.get("/api/fast/me/", response_model=AccountOut)
async def me(user: User) -> Account:
    return user


@app.get("/api/fast/users/")
async def users(user: User, session: Session, filters: Annotated[Filters, Query()]) -> Page:
    if user.role != "admin":
        raise HTTPException(403, "Not allowed.")
    wanted = []
    if filters.role is not None:
        wanted.append(Account.role == filters.role)
    if filters.is_active is not None:
        wanted.append(Account.is_active == filters.is_active)
    order = (Account.created_at.desc(), Account.id.desc())
    if filters.ordering == "created_at":
        order = (Account.created_at, Account.id)
    total = await session.scalar(select(func.count()).select_from(Account).where(*wanted))
    rows = select(Account).where(*wanted).order_by(*order).limit(20).offset(20 * (filters.page - 1))
    page = await session.scalars(rows)
    return Page(count=total or 0, results=[AccountDetailOut.model_validate(row) for row in page])


@app.post("/api/fast/login/")
async def login(body: Credentials, session: Session) -> dict[str, str]:
    account = await session.scalar(select(Account).where(Account.email == body.email, Account.is_active))
    if account is None or not await run_in_threadpool(_is_right, body.password, account.password):
        raise HTTPException(401, "Wrong credentials.")
    token = jwt.encode({"user_id": str(account.id)}, SECRET, algorithm="HS256")
    return {"access": token, "refresh": token}


def _is_right(password: str, encoded: str) -> bool:
    try:
        return hasher.verify("$" + encoded.split("$", 1)[1], password)
    except VerifyMismatchError:
        return False
