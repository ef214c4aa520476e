"""Settings of the tests: the studio's own, on a data folder that is thrown away.

pytest-django imports this before any conftest, so the folder is made here. A process that a test
starts inherits SLIPWAY_TEST_ROOT and thereby uses the same folder.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def _make_root() -> Path:
    """Make the folder of this test run, open for passing through: services may run as nobody."""
    inherited = os.environ.get("SLIPWAY_TEST_ROOT")
    if inherited:
        return Path(inherited)
    root = Path(tempfile.mkdtemp(prefix="slipway-tests-", dir="/var/tmp"))
    root.chmod(0o711)
    os.environ["SLIPWAY_TEST_ROOT"] = str(root)
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in a forked child
            shutil.rmtree(root, ignore_errors=True)

    atexit.register(remove)
    return root


# a person's own settings must not leak into tests, nor the other way round
for _name in [name for name in os.environ if name.startswith("SLIPWAY_")]:
    if not _name.startswith("SLIPWAY_TEST_"):
        del os.environ[_name]
_data = _make_root() / os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["SLIPWAY_DATA_DIR"] = str(_data)
os.environ["DATABASE_URL"] = os.environ.get("SLIPWAY_TEST_DATABASE_URL", "")
os.environ["REDIS_URL"] = os.environ.get("SLIPWAY_TEST_REDIS_URL", "")
os.environ["SLIPWAY_BASE_IMAGE"] = os.environ.get(
    "SLIPWAY_TEST_BASE_IMAGE", "slipway-base:bookworm"
)
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

from config.settings import *  # noqa: E402, F403
from config.settings import DATA, DATABASES, SLIPWAY_DRIVERS, STORAGES  # noqa: E402

for _folder in (DATA.root, DATA.run, DATA.artifacts, DATA.models, DATA.sources, DATA.tmp):
    _folder.mkdir(parents=True, exist_ok=True)
DATA.root.chmod(0o711)

SLIPWAY_DRIVERS = {**SLIPWAY_DRIVERS, "fake": "deployments.drivers.fake.FakeDriver"}
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True  # no collectstatic before a page can be asked for
WHITENOISE_USE_FINDERS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed; never outside tests
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # a file and not memory: threads and processes of a test must meet the locks of the real thing
    DATABASES["default"]["TEST"] = {"NAME": str(DATA.root / "test.db")}
