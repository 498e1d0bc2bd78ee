"""Makes access tokens: a JSON list of users, sessions and roles comes in, a token for each goes out."""

import json
import sys
from uuid import UUID

import django

django.setup()

from infrastructure.tokens import TokenService  # noqa: E402  # Django comes first


def main() -> None:
    for user_id, session_id, role in json.load(sys.stdin):
        print(TokenService.access(user_id=UUID(user_id), role=role, version=1, session_id=UUID(session_id)))


if __name__ == "__main__":
    main()
