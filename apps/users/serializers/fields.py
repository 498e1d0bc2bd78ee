from typing import Any, Final

from apps.common.fields import international_number
from apps.common.serializers import OneLineField, StrictCharField

PASSWORD_LENGTH: Final = 1_024
TOKEN_LENGTH: Final = 4_096
EXAMPLE_TOKEN: Final = "AaIU7qv2f72QJd9Jfu1gvwGiFO6r93mxqrrgLPvkXMdr8W7VApzk5tMn8737df2AMSkOU7PmyXqKPXv8KWlGXQ"  # noqa: S105  # opens nothing


class NameField(OneLineField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=150, **kwargs)


class PhoneField(StrictCharField):
    """A number in the international form of ITU-T E.164."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, max_length=16, **kwargs)
        self.validators.append(international_number)


class PasswordField(StrictCharField):
    """A password exactly as typed: nothing is trimmed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=PASSWORD_LENGTH, trim_whitespace=False, **kwargs)


class LinkTokenField(StrictCharField):
    """The token of a link as it stood there; what has another shape is wrong like one that was used."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=TOKEN_LENGTH, trim_whitespace=False, **kwargs)
