"""What every environment shares. What differs stands in local, test and production."""

from datetime import timedelta
from typing import Any

import corsheaders.defaults
import csp.constants
import django_stubs_ext

from config import env, logs

# Lets Django's classes be written with their types, as in ModelAdmin[User].
django_stubs_ext.monkeypatch()

PROJECT_ROOT = env.PROJECT_ROOT

# --- The application ---------------------------------------------------------------------------------------------

SECRET_KEY: str
DEBUG = False
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", [])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "django.test.runner.DiscoverRunner"
# The packages whose own packages are slices: the toolkit looks for their layers there.
LAYERLINE_SLICES = ["apps"]

INSTALLED_APPS = [
    # Before the admin, whose base template it replaces.
    "apps.common",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "corsheaders",
    "csp",
    "django_celery_beat",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "infrastructure.email",
    "infrastructure.queue",
    "layerline",
    "apps.users",
    "apps.chat",
]

MIDDLEWARE = [
    "apps.common.middleware.RequestContextMiddleware",
    "apps.common.middleware.ApiMiddleware",
    # Outside of whatever may refuse a request: their headers stand on refusals too.
    "apps.common.middleware.PolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.common.middleware.CorsMiddleware",
    "apps.common.middleware.PageSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.common.middleware.PageAuthenticationMiddleware",
    "apps.common.middleware.PageMessageMiddleware",
]
# An address without its slash is an unknown path; a redirect would turn a POST into a GET.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context_processors.environment",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = PROJECT_ROOT / "staticfiles"

# --- PostgreSQL --------------------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {"default": env.database("DATABASE_URL")}
# It looks at each connection before it is used; a second look, by the pool itself, would be a second round trip.
DATABASES["default"]["ENGINE"] = "infrastructure.postgres"
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"]["connect_timeout"] = 3
DATABASES["default"]["OPTIONS"]["pool"] = {
    "min_size": 0,
    "max_size": env.number("DATABASE_POOL_SIZE", 10, minimum=1, maximum=1000),
    "timeout": 3,
}

# --- Redis -------------------------------------------------------------------------------------------------------

REDIS_URL = env.url("REDIS_URL", ("redis", "rediss"))
# Every key of this project begins with it, so that one Redis may serve several.
REDIS_KEY_PREFIX = env.text("REDIS_KEY_PREFIX", "layerline")
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": REDIS_KEY_PREFIX,
        "OPTIONS": {
            # JSON and never pickle: whoever writes to Redis must not run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "REDIS_CLIENT_CLASS": "infrastructure.redis.PlainRedis",
            # A request that needs Redis answers within 2 s when Redis is away.
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
            # redis-py's own pool has a limit and fails at it; this one lets the caller wait for its turn.
            "CONNECTION_POOL_CLASS": "infrastructure.redis.PlainPool",
            "CONNECTION_POOL_KWARGS": {"max_connections": 50, "timeout": 1},
        },
    },
}

# Publish and subscribe: nothing is kept for whoever is not there, so nothing piles up.
CHANNEL_LAYER = env.choice("CHANNEL_LAYER", ("hub", "pubsub"), "hub")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": {
            # One subscription of a process to each group, and the way to its sockets that docs/realtime.md draws.
            "hub": "infrastructure.realtime.layer.RedisHubLayer",
            # That of channels_redis, for comparison: one queue, task and dispatch for each socket.
            "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
        }[CHANNEL_LAYER],
        "CONFIG": {
            "hosts": [
                {
                    "address": REDIS_URL,
                    "socket_connect_timeout": 0.5,
                    "socket_timeout": 0.5,
                    # A connection that was cut without a word is noticed.
                    "health_check_interval": 15,
                },
            ],
            "prefix": f"{REDIS_KEY_PREFIX}:sockets:",
        },
    },
}

# --- Files -------------------------------------------------------------------------------------------------------

STORAGES = {
    "default": env.storage("STORAGE_URL", PROJECT_ROOT / "media"),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- Background work ---------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.url("BROKER_URL", ("redis", "rediss"), REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{REDIS_KEY_PREFIX}:celery:",
    # Above the hard time limit: nothing that still runs is delivered a second time.
    "visibility_timeout": 60,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 0.5,
    # A broker that is away costs a caller half a second; the outbox publishes later.
    "max_retries": 0,
    # How often a worker looks for the tasks of a lost one, once the visibility timeout is over.
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# No result backend: a dead one would block every publish, and the outbox row holds the result.
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 50
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "infrastructure.queue.beat:LeasedScheduler"
# A worker takes from all of them, or from those that `-Q` names. The first pattern that fits a task's name decides.
CELERY_TASK_QUEUES: dict[str, dict[str, Any]] = {"celery": {}, "mail": {}, "maintenance": {}, "realtime": {}}
CELERY_TASK_ROUTES = {
    "*.send_*": {"queue": "mail"},
    "*.clean_*": {"queue": "maintenance"},
    "queue.*": {"queue": "maintenance"},
}
CELERY_TIMEZONE = "UTC"

# --- Accounts ----------------------------------------------------------------------------------------------------

PASSWORD_HASHERS = [
    "infrastructure.passwords.Argon2idHasher",
    # Old hashes verify, and are replaced by Argon2id at the next login.
    "infrastructure.passwords.BcryptHasher",
]
# Hashing takes a core for its time, and a thread that waits for its turn serves nobody: what is beyond is answered with
# 503. Both together, and LOGIN_DELAYED_AT_ONCE, leave some of the threads of a web process to everybody else.
PASSWORD_HASHES_AT_ONCE = env.number("PASSWORD_HASHES_AT_ONCE", 1, minimum=1, maximum=1000)
PASSWORD_HASHES_WAITING = env.number("PASSWORD_HASHES_WAITING", 3, minimum=0, maximum=1000)
# OWASP's values for Argon2id: 19 MiB, two passes, one lane.
ARGON2_TIME_COST = env.number("ARGON2_TIME_COST", 2, minimum=1, maximum=100)
ARGON2_MEMORY_COST = env.number("ARGON2_MEMORY_COST", 19_456, minimum=8, maximum=4 * 1024 * 1024)
ARGON2_PARALLELISM = env.number("ARGON2_PARALLELISM", 1, minimum=1, maximum=64)
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

JWT_KEYS: list[dict[str, Any]]
JWT_ISSUER = env.text("JWT_ISSUER", "layerline")
JWT_AUDIENCE = env.text("JWT_AUDIENCE", "layerline-api")
ACCESS_TOKEN_LIFETIME = timedelta(seconds=env.number("ACCESS_TOKEN_LIFETIME", 15 * 60, minimum=30, maximum=86_400))
REFRESH_TOKEN_LIFETIME = timedelta(seconds=env.number("REFRESH_TOKEN_LIFETIME", 7 * 86_400, minimum=60))
SESSION_LIFETIME = timedelta(seconds=env.number("SESSION_LIFETIME", 30 * 86_400, minimum=60))

# The name that authenticator apps show beside an account.
MFA_ISSUER = env.issuer("MFA_ISSUER", "Layerline")

FIELD_ENCRYPTION_KEYS: list[str]

# A taken address is told by a 409, or to its owner alone.
REGISTRATION_DISCLOSES_TAKEN = env.flag("REGISTRATION_DISCLOSES_TAKEN", default=True)
# Where the links of mails lead: the client application, which knows /verify-email, /confirm-email and /reset-password.
APP_URL: str
PASSWORD_RESET_LIFETIME = timedelta(seconds=env.number("PASSWORD_RESET_LIFETIME", 3_600, minimum=60))
EMAIL_LINK_LIFETIME = timedelta(seconds=env.number("EMAIL_LINK_LIFETIME", 3 * 86_400, minimum=60))

# How long it is kept who did what, from which address and with which program.
AUDIT_RETENTION = timedelta(days=env.number("AUDIT_RETENTION", 90, minimum=1, maximum=3_650))

# --- HTTP --------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.users.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": [
        "apps.common.throttling.BurstUserThrottle",
        "apps.common.throttling.SustainedUserThrottle",
    ],
    "DEFAULT_PARSER_CLASSES": ["apps.common.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.common.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "apps.common.pagination.PageNumberPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "apps.common.schema.ProblemSchema",
    "EXCEPTION_HANDLER": "apps.common.handlers.custom_exception_handler",
    "UNAUTHENTICATED_USER": "apps.common.types.Anonymous",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # Nothing here has versions; without a list the schema's page would write any `?version=` into its headers.
    "ALLOWED_VERSIONS": ["1"],
}
# Requests per window. One place: a class names its scope, never a rate.
THROTTLE_RATES = {
    "login": env.rate("THROTTLE_LOGIN", "10/min"),
    "login_address": env.rate("THROTTLE_LOGIN_ADDRESS", "20/min"),
    # Codes for one login whose password was right, and all codes from one address.
    "mfa": env.rate("THROTTLE_MFA", "10/min"),
    "mfa_address": env.rate("THROTTLE_MFA_ADDRESS", "20/min"),
    # Wrong codes for one account, counted in its rows: whoever knows the password guesses at no other's pace.
    "mfa_codes": env.rate("THROTTLE_MFA_CODES", "20/hour"),
    "mfa_codes_sustained": env.rate("THROTTLE_MFA_CODES_SUSTAINED", "50/day"),
    "login_failures": env.rate("THROTTLE_LOGIN_FAILURES", "100/hour"),
    "register": env.rate("THROTTLE_REGISTER", "10/min"),
    "register_address": env.rate("THROTTLE_REGISTER_ADDRESS", "20/min"),
    "reset": env.rate("THROTTLE_RESET", "10/min"),
    "reset_address": env.rate("THROTTLE_RESET_ADDRESS", "20/min"),
    "verify": env.rate("THROTTLE_VERIFY", "10/min"),
    "verify_address": env.rate("THROTTLE_VERIFY_ADDRESS", "20/min"),
    "password": env.rate("THROTTLE_PASSWORD", "10/min"),
    "messages": env.rate("THROTTLE_MESSAGES", "600/min"),
    "burst": env.rate("THROTTLE_BURST", "60/min"),
    "sustained": env.rate("THROTTLE_SUSTAINED", "1000/day"),
    "anonymous_burst": env.rate("THROTTLE_ANONYMOUS_BURST", "60/min"),
    # Frames of one user over all sockets of rooms.
    "frames": env.rate("THROTTLE_FRAMES", "1200/min"),
    # Sockets opened from one address.
    "sockets": env.rate("THROTTLE_SOCKETS", "1200/min"),
    "anonymous_sustained": env.rate("THROTTLE_ANONYMOUS_SUSTAINED", "10000/day"),
}
# What `login_failures` does: it delays, and refuses nobody.
LOGIN_DELAY = env.number("LOGIN_DELAY", 1, minimum=0, maximum=4)
LOGIN_DELAYED_AT_ONCE = env.number("LOGIN_DELAYED_AT_ONCE", 2, minimum=0, maximum=1000)
# Sockets that one user may have open, over all processes.
SOCKETS_PER_USER = env.number("SOCKETS_PER_USER", 20, minimum=1, maximum=100_000)
# Whether an access token in a socket's address signs in: for experiments with tools that can do nothing else.
WEBSOCKET_QUERY_TOKEN = env.flag("WEBSOCKET_QUERY_TOKEN", default=False)
# For operators alone: metrics, and what each server behind says. Where no proxy leads to.
# Where the processes of one program add their figures up; the client of Prometheus reads the variable itself, too.
PROMETHEUS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR", "")
INTERNAL_HOST = env.text("INTERNAL_HOST", "127.0.0.1")
INTERNAL_PORT = env.number("INTERNAL_PORT", 9000, minimum=1, maximum=65_535)
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", [])
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS", [])
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [*corsheaders.defaults.default_headers, "idempotency-key"]
CORS_EXPOSE_HEADERS = [
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
]
# No CORS guards a socket: any page may try to open one, and says where it comes from.
WEBSOCKET_ALLOWED_ORIGINS = env.origins("WEBSOCKET_ALLOWED_ORIGINS", [])

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.constants.SELF],
        # Swagger UI and ReDoc write style attributes and draw with data: images.
        "style-src": [csp.constants.SELF, csp.constants.UNSAFE_INLINE],
        "img-src": [csp.constants.SELF, "data:"],
        "worker-src": [csp.constants.SELF, "blob:"],
        "object-src": [csp.constants.NONE],
        "base-uri": [csp.constants.NONE],
        "form-action": [csp.constants.SELF],
        "frame-ancestors": [csp.constants.NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
# What the admin site says to a person names accounts by their address: it is kept in the browser, not in the database.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

SPECTACULAR_SETTINGS = {
    "TITLE": "Layerline",
    "DESCRIPTION": (
        "Accounts and rooms over HTTP. Every error is a problem document (RFC 9457); its codes are listed at "
        "/api/problems/."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    # Each converter of a slice's own, as clients are told of it.
    "PATH_CONVERTER_OVERRIDES": {
        "room": {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$", "example": "lamps"},
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Mail --------------------------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Layerline <no-reply@localhost>")
EMAIL_TIMEOUT = 10

# --- Traces ------------------------------------------------------------------------------------------------------

OTEL_EXPORTER_OTLP_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", ("http", "https"), "")
OTEL_SERVICE_NAME = env.text("OTEL_SERVICE_NAME", "layerline")
# Seconds for one batch, all tries together. A process that ends waits so long for a collector that is away.
OTEL_EXPORTER_OTLP_TIMEOUT = env.number("OTEL_EXPORTER_OTLP_TIMEOUT", 2, minimum=1, maximum=60)

# --- Reports -----------------------------------------------------------------------------------------------------

SENTRY_DSN = env.url("SENTRY_DSN", ("https", "http"), "")
SENTRY_ENVIRONMENT = env.text("SENTRY_ENVIRONMENT", "production")
if SENTRY_DSN:
    # Here, for its packages take a third of a second to load, which nobody pays who sends no reports.
    from infrastructure import reports

    try:
        reports.configure(dsn=SENTRY_DSN, environment=SENTRY_ENVIRONMENT)
    except reports.BadAddressError:
        env.fail("SENTRY_DSN", "is not an address such as https://key@sentry.example.com/1.")
DEFAULT_EXCEPTION_REPORTER_FILTER = "infrastructure.debug_page.DiscreetReporterFilter"

# --- Logs --------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOGGING_CONFIG = None
logs.configure(level=LOG_LEVEL, json=True)
