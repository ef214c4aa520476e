"""How MLflow's server is started, and what its store must be."""

import sqlite3
from pathlib import Path

import pytest
from mlflow.server import constants

from config import env as env_module
from config.env import Env
from workspaces.errors import Unavailable
from workspaces.tracking.store.server import command, prepare_store


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return env_module.load({"SLIPWAY_DATA_DIR": str(tmp_path / "data")})


def test_the_variables_are_those_that_mlflows_own_command_sets(env: Env) -> None:
    _arguments, environ = command(env, {})
    assert environ[constants.BACKEND_STORE_URI_ENV_VAR] == env.tracking_uri
    assert environ[constants.REGISTRY_STORE_URI_ENV_VAR] == env.tracking_uri
    assert environ[constants.ARTIFACT_ROOT_ENV_VAR] == "mlflow-artifacts:/"
    assert environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] == env.artifact_root
    assert environ[constants.SERVE_ARTIFACTS_ENV_VAR] == "true"


def test_what_a_person_set_for_their_own_mlflow_does_not_reach_it(env: Env) -> None:
    own = {
        "PATH": "/bin",
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "only.example",
        "_MLFLOW_STATIC_PREFIX": "/x",
        "MLFLOW_S3_ENDPOINT_URL": "http://minio",
        "SLIPWAY_SECRET_KEY": "s",
    }
    _arguments, environ = command(env, own)
    assert environ["PATH"] == "/bin"
    assert environ["MLFLOW_S3_ENDPOINT_URL"] == "http://minio"
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_SERVER_ALLOWED_HOSTS", "_MLFLOW_STATIC_PREFIX"):
        assert name not in environ
    assert "SLIPWAY_SECRET_KEY" not in environ


def test_a_password_is_not_in_the_arguments(tmp_path: Path) -> None:
    env = env_module.load(
        {"SLIPWAY_DATA_DIR": str(tmp_path), "SLIPWAY_TRACKING_URI": "postgres://u:secret@db/m"}
    )
    arguments, environ = command(env, {})
    assert "secret" not in " ".join(arguments)
    assert "postgresql+psycopg://u:secret@db/m" in environ.values()


def test_a_store_is_made_once_in_wal_mode_for_this_user_alone(env: Env) -> None:
    prepare_store(env)
    path = env.data.tracking_database
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as store:
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        (location,) = store.execute("SELECT artifact_location FROM experiments").fetchone()
    assert location == "mlflow-artifacts:/0"
    prepare_store(env)


def test_an_older_store_names_the_command_that_upgrades_it(env: Env) -> None:
    prepare_store(env)
    with sqlite3.connect(env.data.tracking_database) as store:
        store.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(Unavailable, match=r"manage\.py upgrade") as caught:
        prepare_store(env)
    assert caught.value.code == "store_outdated"


def test_a_newer_store_says_so(env: Env) -> None:
    prepare_store(env)
    with sqlite3.connect(env.data.tracking_database) as store:
        store.execute("UPDATE alembic_version SET version_num = 'fromthefuture'")
    with pytest.raises(Unavailable, match="newer MLflow"):
        prepare_store(env)


def test_a_file_that_is_no_database_is_one_sentence(env: Env) -> None:
    env.data.root.mkdir(parents=True)
    env.data.tracking_database.write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable, match="SLIPWAY_TRACKING_URI"):
        prepare_store(env)
