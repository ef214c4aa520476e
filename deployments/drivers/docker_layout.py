"""Where things are inside our images and containers, and the labels that find them again."""

from __future__ import annotations

from typing import cast

from serving.contract import ModelFolder, ReplicaConfig

INNER_PORT = 5001  # every container listens on it; the host port differs
USER_ID = 10001  # no root inside; the same number in every image, so that files can be handed over
REPLICA_DIR = "/slipway/replica"  # service.json, auth.json, runtime.json; owned by the user
MODEL_DIR = "/slipway/model"
SOURCE_DIR = "/slipway/source"  # of an entry script
HOME_DIR = "/slipway/home"
ENVIRONMENT_DIR = "/opt/env"  # the model's virtual environment
RUNTIME_DIR = "/opt/runtime"  # holds serving/ and the runtime's own packages
TOOLS_DIR = "/opt/tools"  # uv

NODE_LABEL = "slipway.node"
INSTANCE_LABEL = "slipway.instance"
SERVICE_LABEL = "slipway.service"
REVISION_LABEL = "slipway.revision"
DIGEST_LABEL = "slipway.digest"
PORT_LABEL = "slipway.port"
CPU_LABEL = "slipway.cpu"
MEMORY_LABEL = "slipway.memory-mb"
STARTED_LABEL = "slipway.started"  # of a container that runs once: seconds since the epoch

IMAGE_LABEL = "slipway.image"  # "tools", "environment", "runtime" or "service"; containers: "probe"
ENVIRONMENT_LABEL = "slipway.environment"  # hash of the model's lock
MODEL_LABEL = "slipway.model"  # sha256 of the model's files


def more_model_dir(number: int) -> str:
    """Where the files of an entry script's further models are; they count from 1."""
    return f"/slipway/models/{number}"


def inner(config: ReplicaConfig) -> ReplicaConfig:
    """The configuration as it holds inside the container."""
    made: ReplicaConfig = {**config, "host": "0.0.0.0", "port": INNER_PORT, "model_dir": MODEL_DIR}  # noqa: S104
    if "source_dir" not in config:
        return made
    models = config.get("models", [])
    paths = [MODEL_DIR, *(more_model_dir(number) for number in range(1, len(models)))]
    made["source_dir"] = SOURCE_DIR
    made["models"] = [
        cast(ModelFolder, {**item, "path": path}) for item, path in zip(models, paths, strict=False)
    ]
    return made
