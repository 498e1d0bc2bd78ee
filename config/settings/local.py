"""A developer's machine: open, readable, with secrets that are none. The default of manage.py."""

from config import env, logs

env.read_dotenv(env.PROJECT_ROOT / ".env")

from .base import *  # noqa: E402, F403  # base reads what .env just gave

# Known to everyone who can read this file, and refused by the production settings.
LOCAL_SECRET = "layerline-local-only-secret-never-use-it-in-production"  # noqa: S105  # not a secret, as it says

DEBUG = True
SECRET_KEY = env.text("SECRET_KEY", LOCAL_SECRET)
JWT_KEYS = env.jwt_keys(LOCAL_SECRET)
FIELD_ENCRYPTION_KEYS = env.fernet_keys("FIELD_ENCRYPTION_KEYS", ["bGF5ZXJsaW5lLWxvY2FsLW9ubHktbmV2ZXItdXNlLWk="])
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS", ["http://localhost:3000", "http://localhost:5173"])
WEBSOCKET_ALLOWED_ORIGINS = env.origins("WEBSOCKET_ALLOWED_ORIGINS", CORS_ALLOWED_ORIGINS)
# Without a client application the pages of local use take the links of the mails.
APP_URL = env.app_url("APP_URL", f"http://127.0.0.1:{env.number('PORT', 8000, maximum=65_535)}")

INSTALLED_APPS += ["layerline.devpages"]  # noqa: F405  # from base

# Signs in for `manage.py trace --as`, without a password.
LAYERLINE_SIGN_IN = "apps.users.management.sign_in.signed_in"

# The last requests, for /dev/flows/: those that the programs of `make run` serve, which all carry its mark.
FLOWS_DIR = PROJECT_ROOT / ".dev" / "flows"  # noqa: F405  # from base
FLOWS_RECORDED = env.raw("LAYERLINE_RUN") is not None
# The pages that stand in for a client application: where each sends the token of its link, and as what a password.
LAYERLINE_LINKS = {
    "verify-email": {"title": "Confirm this address", "action": "/api/v1/auth/email/verify/"},
    "confirm-email": {"title": "Confirm the new address", "action": "/api/v1/auth/email/verify/"},
    "reset-password": {
        "title": "Choose a new password",
        "action": "/api/v1/auth/password/reset/confirm/",
        "password": "new",
    },
}

# Mail lands in a folder that /dev/mailbox/ shows, unless EMAIL_URL names a real server.
EMAIL_BACKEND = "layerline.devpages.mailbox.MailboxBackend"
MAILBOX_DIR = PROJECT_ROOT / ".dev" / "mail"  # noqa: F405  # from base
if env.raw("EMAIL_URL"):
    vars().update(env.email("EMAIL_URL"))

STORAGES["default"] = env.storage("STORAGE_URL", PROJECT_ROOT / ".dev" / "media")  # noqa: F405  # from base

logs.configure(level=LOG_LEVEL, json=False)  # noqa: F405  # from base
