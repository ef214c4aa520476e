"""Loads a model as the replica's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from serving.contract import ReplicaConfig
    from serving.loaders.base import NoCode
    from serving.scoring import Servable


def load(config: ReplicaConfig, folder: Path) -> Servable:
    """Return the loaded model of the replica in `folder`; raises what its code raises.

    Each loader imports only what it needs: the fast one never imports MLflow.
    """
    if config["loader"] == "script":
        from serving import script

        return script.load(config, folder)
    if config["loader"] == "fast":
        from serving.loaders.fast import Fast

        return _described(Fast.load(config))
    from serving.loaders.plain import Plain

    return _described(Plain.load(config))


def _described(model: NoCode) -> NoCode:
    from serving import swagger

    model.documents = swagger.documents(model.config, model.columns, model.example())
    return model
