from django.db.models import TextChoices


class Role(TextChoices):
    """What a person may do over the API. The one authority: flags of the admin site give no right here."""

    ADMIN = "admin"
    MODERATOR = "moderator"
    USER = "user"
