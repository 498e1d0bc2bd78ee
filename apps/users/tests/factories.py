from django.contrib.auth.hashers import make_password
from factory.declarations import LazyFunction, Sequence
from factory.django import DjangoModelFactory
from factory.faker import Faker

from apps.common.enums import Role
from apps.users.models import User

PASSWORD = "correct horse battery staple"


class UserFactory(DjangoModelFactory[User]):
    """An ordinary account whose password is PASSWORD."""

    class Meta:
        model = User

    email = Sequence(lambda number: f"user{number}@example.com")
    name = Faker("name")
    password = LazyFunction(lambda: make_password(PASSWORD))


class ModeratorFactory(UserFactory):
    role = Role.MODERATOR


class AdminFactory(UserFactory):
    """An admin over the API, who may use the admin site as well."""

    role = Role.ADMIN
    is_staff = True
    is_superuser = True


FACTORIES: dict[Role, type[UserFactory]] = {
    Role.USER: UserFactory,
    Role.MODERATOR: ModeratorFactory,
    Role.ADMIN: AdminFactory,
}
