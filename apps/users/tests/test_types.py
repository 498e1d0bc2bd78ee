import pytest

from apps.users.selectors import UserSelector
from apps.users.tests.factories import UserFactory
from apps.users.tests.support import signed_in
from apps.users.types import Challenge, LinkMail, MfaSetup
from infrastructure.ratelimit import Limit
from infrastructure.tokens import TokenService

pytestmark = pytest.mark.django_db


def test_nothing_that_holds_a_secret_or_an_address_shows_it_where_it_is_printed() -> None:
    user = UserFactory.create(email="canary@example.com", name="Canary", phone="+442079460000")
    account = UserSelector.by_id(user_id=user.pk)
    credentials = signed_in(user)
    challenge = Challenge(mfa_token="eyJ", expires_in=300)
    setup = MfaSetup(secret="canary", otpauth_uri="otpauth://totp/canary")
    mail = LinkMail(to=user.email, name=user.name, link="https://app.example.com/#canary")
    pair = TokenService.generate_pair(user_id=user.pk, role="user", version=1, session_id=user.pk)
    limit = Limit(scope="login", subject="canary@example.com|192.0.2.1", count=1, window=1)

    printed = repr([user, account, credentials, challenge, setup, mail, pair, limit])

    assert str(user.pk) in printed
    for secret in ("canary", "Canary", "+44", "gAAAA", "eyJ"):
        assert secret not in printed
