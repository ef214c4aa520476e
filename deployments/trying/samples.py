"""What a version is scored with when nobody types a sample: what it was registered with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.samples import sample_read
from registry.values import VersionInfo

SAMPLE = {"sample_input": "input", "sample_output": "output"}  # API's names, the plan's


def plan_samples(
    given: Mapping[str, Any], inference: Mapping[str, Any], version: VersionInfo
) -> dict[str, Any]:
    """A sample in the words of a trial's plan, from the nearest place that has one.

    What was given; else, of an entry script, its own sample; else what the version was registered
    with. Without `input` the model's own example is scored. The registered output is compared only
    with the answer to the registered input.

    Args:
        given: `sample_input` and `sample_output`; each may be absent.
    """
    found = {plan: given[name] for name, plan in SAMPLE.items() if name in given}
    own = inference.get("sampleInput")
    if "input" not in found and own is not None:
        found["input"] = own
    is_registered = "input" not in found or found["input"] == version.sample_input
    if inference and not version.needs_script and "input" not in found:
        return found  # the sample was made for the model: a script may take something else
    if "input" not in found and (stored := _input(version)) is not None:
        found["input"] = stored
    if is_registered and "output" not in found and version.sample_output is not None:
        found["output"] = version.sample_output
    return found


def _input(version: VersionInfo) -> Any:
    """The registered input as it can be sent; None: there is none, or it is the model's example."""
    if version.sample_input is None or version.needs_script:
        return version.sample_input
    if version.input_example is not None and version.format != "mlflow":
        return None  # made of it when the file was wrapped
    sample = sample_read(version.sample_input)
    return version.sample_input if sample is None else sample.named(_names(version)).body()


def _names(version: VersionInfo) -> list[str]:
    """Names of the signature's columns; empty where they have none."""
    inputs = (version.signature or {}).get("inputs") or []
    names = [str(item.get("name") or "") for item in inputs]
    return names if all(names) else []
