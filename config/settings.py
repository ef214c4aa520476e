"""Django settings. Every value a person may set is an environment variable read in `config.env`."""

from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from django.utils.translation import gettext_lazy as _

from config import env as env_module
from config.secret import read_or_make_secret_key

SLIPWAY = env_module.load()
DATA = SLIPWAY.data
SOURCE_ROOT = Path(__file__).resolve().parent.parent
BUNDLED = Path(__file__).resolve().parent / "bundled"  # templates and assets inside the wheel
ASSET_ROOT = BUNDLED if BUNDLED.is_dir() else SOURCE_ROOT

DEBUG = SLIPWAY.debug
SECRET_KEY = SLIPWAY.secret_key or read_or_make_secret_key(DATA.secret_key)

# --- names this studio answers to ---------------------------------------------------------------
_public = urlsplit(SLIPWAY.public_url) if SLIPWAY.public_url else None
ALLOWED_HOSTS = [
    *SLIPWAY.allowed_hosts,
    "localhost",
    "127.0.0.1",
    "[::1]",
    *([_public.hostname] if _public and _public.hostname else []),
    *([SLIPWAY.host] if SLIPWAY.host not in {"0.0.0.0", "::"} else []),  # noqa: S104
]
HTTPS = bool(_public and _public.scheme == "https")
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if _public else []
SESSION_COOKIE_NAME = f"slipway-session-{DATA.node_id}"
CSRF_COOKIE_NAME = f"slipway-csrf-{DATA.node_id}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains, and
    "security.W021",  # preloading it: not ours to decide for somebody's domain
    "security.W008",  # the proxy that ends TLS redirects
    "security.W019",  # previews of artifacts are shown in a frame of the same origin
]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_cotton.apps.SimpleAppConfig",
    "template_partials.apps.SimpleAppConfig",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "workspaces",
    "registry",
    "deployments",
    "studio",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studio.middleware.DeadlineMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "studio.errors.ProblemMiddleware",
    "studio.middleware.ContentSecurityPolicyMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ASSET_ROOT / "templates"],
        "OPTIONS": {
            # cotton and template-partials both patch TEMPLATES and break each other; wired by hand
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django_cotton.cotton_loader.Loader",
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "django_cotton.templatetags.cotton",
                "template_partials.templatetags.partials",
                "studio.templatetags.studio",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studio.context.frame",
            ],
        },
    },
]
COTTON_DIR = "cotton"

# --- database -----------------------------------------------------------------------------------
_database = dict(dj_database_url.parse(SLIPWAY.database_url, conn_max_age=60))
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # measured: without IMMEDIATE two thirds of concurrent read-then-write transactions fail
    _database["CONN_MAX_AGE"] = None
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;"
        ),
    }
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- sign-in ------------------------------------------------------------------------------------
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "studio:home"
LOGOUT_REDIRECT_URL = "login"
CSRF_FAILURE_VIEW = "studio.errors.csrf_failure"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- languages, time, files ---------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [ASSET_ROOT / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATICFILES_DIRS = [ASSET_ROOT / "static"]
STATIC_ROOT = DATA.run / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MANIFEST_STRICT = False
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 1000  # a source folder: its own limit, MAX_FILES, says what is wrong

# --- background work ----------------------------------------------------------------------------
_redis_socket = DATA.socket("redis")
CELERY_BROKER_URL = SLIPWAY.redis_url or f"redis+socket://{_redis_socket}"
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "retry_on_timeout": True,
    # publishing must fail fast: the database already holds the work, beat finds it
    "max_retries": 1,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {
    "deployments.tasks.run_steps": {"queue": "steps"},
    "studio.tasks.demo": {"queue": "steps"},
}
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "deployments.tasks.tick",
        "schedule": 2.0,
        "kwargs": {"source": "beat"},
        "options": {"expires": 10.0, "queue": "control"},
    },
    "sweep": {
        "task": "deployments.tasks.sweep",
        "schedule": 60.0,
        "options": {"expires": 60.0, "queue": "control"},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA.run / "beat-schedule")

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workspaces.authentication.BearerTokenAuthentication",
        "workspaces.authentication.SessionAuthentication401",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["workspaces.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "studio.api.errors.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Slipway API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {"BestModeEnum": ["max", "min"]},  # two calls name other sets "mode"
}

# Tests add "fake": "deployments.drivers.fake.FakeDriver".
SLIPWAY_DRIVERS = {
    "local": "deployments.drivers.local.LocalDriver",
    "docker": "deployments.drivers.docker.DockerDriver",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": SLIPWAY.log_level},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "alembic": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        # two lines for every tick of beat would drown the rest
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
