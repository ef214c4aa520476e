"""Loads a model as the replica's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.contract import ReplicaConfig
    from serving.scoring import Servable


def load(config: ReplicaConfig) -> Servable:
    """Return the loaded model; raises whatever its files, libraries or code raise.

    Each loader imports only what it needs: the fast one never imports MLflow.
    """
    if config["loader"] == "script":
        from serving.script.servable import load_script  # type: ignore[import-not-found]

        script: Servable = load_script(config)
        return script
    if config["loader"] == "fast":
        from serving.loaders.fast import Fast

        return Fast.load(config)
    from serving.loaders.plain import Plain

    return Plain.load(config)
