"""Production: refuses to start on anything unsafe. The default of asgi, wsgi and celery."""

from config import env, safety

from .base import *  # noqa: F403  # settings modules stack

SECRET_KEY = env.text("SECRET_KEY")
JWT_KEYS = env.jwt_keys()
FIELD_ENCRYPTION_KEYS = env.fernet_keys("FIELD_ENCRYPTION_KEYS")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS")
APP_URL = env.app_url("APP_URL")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL")
vars().update(env.email("EMAIL_URL"))

# TLS ends at a trusted proxy; from anyone else the header is taken away by RequestContextMiddleware.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
# A load balancer asks for health over plain HTTP, from inside.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

safety.refuse_unsafe(vars())
