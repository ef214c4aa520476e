"""Environment variables that v1 scripts read."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from serving.contract import ReplicaConfig

DEFAULT_LOG_LEVEL = "INFO"


def set_environment(config: ReplicaConfig, script: Path, model_dir: Path) -> None:
    """Set the variables of the v1 server; those the service's own environment sets stay.

    SCORING_TIMEOUT_MS and WORKER_COUNT say what is in force, whatever was asked for.
    """
    root = Path(config.get("source_dir") or script.parent).absolute()
    given = {
        "AML_APP_ROOT": str(root),
        "AZUREML_ENTRY_SCRIPT": config.get("entry_script") or script.name,
        "AZUREML_SOURCE_DIRECTORY": str(root),
        "AZUREML_MODEL_DIR": str(model_dir),
        "SERVICE_NAME": config["service"],
        "SERVICE_VERSION": str(config["revision"]),
        "SERVICE_PATH_PREFIX": "",
        "AZUREML_LOG_LEVEL": DEFAULT_LOG_LEVEL,
        "AML_APP_INSIGHTS_ENABLED": str("trace_endpoint" in config).lower(),
    }
    for name, value in given.items():
        os.environ.setdefault(name, value)
    os.environ["SCORING_TIMEOUT_MS"] = str(config["scoring_timeout_ms"])
    os.environ["WORKER_COUNT"] = str(config["workers"])
    _set_level(os.environ["AZUREML_LOG_LEVEL"])


def _set_level(name: str) -> None:
    level = logging.getLevelName(name.strip().upper())
    if isinstance(level, int):
        logging.getLogger().setLevel(level)
    else:
        logging.getLogger("serving.script").warning("AZUREML_LOG_LEVEL %r is no level", name)
