"""What people type about an entry script on the Deploy page, as an inference configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.configuring.jsontext import pretty
from registry.environments.curated import curated_for
from registry.models import EnvironmentVersion
from registry.scripts import folders
from registry.scripts.parsing import ScriptProblem, script_check
from registry.scripts.templates import template_for, templates
from registry.values import VersionInfo
from workspaces.errors import Invalid, Problem
from workspaces.parsers import json_text_read

SCRIPT, INLINE = "script", "inline"
DEFAULT_NAME = "score.py"
MOST_ENVIRONMENTS = 500

# fields of the configuration -> the form's controls
CONTROLS = {
    "inference": "script",
    "inference.entryScript": "script",
    "inference.source": "script",
    "files": "script",
    "inference.environment": "environment",
    "inference.models": "models",
    "inference.sampleInput": "sample",
}
LABELS = {
    "script": gettext_lazy("Entry script"),
    "environment": gettext_lazy("Environment"),
    "models": gettext_lazy("Further models"),
    "sample": gettext_lazy("Sample input"),
}


@dataclass(frozen=True)
class ScriptInput:
    """The controls as text. `source` is the folder that was uploaded, "" when there is none."""

    code: str = ""  # "script", or "" for no code
    script_name: str = DEFAULT_NAME
    script_text: str = ""
    source: str = ""
    environment: str = ""  # NAME:VERSION, INLINE, or "" for the model's own packages
    environment_text: str = ""  # JSON, with INLINE
    models: str = ""  # models:/NAME/VERSION, one a line
    sample: str = ""  # JSON

    @property
    def is_script(self) -> bool:
        return self.code == SCRIPT

    @property
    def files(self) -> list[dict[str, Any]]:
        """Files of the uploaded folder."""
        try:
            return folders.source_files(self.source).files if self.source else []
        except Problem:
            return []

    def problems(self) -> list[ScriptProblem]:
        """What is wrong with the text as it is typed."""
        return script_check(self.script_text) if self.is_script else []

    def inference(self, user: Any = None) -> dict[str, Any]:
        """The inference configuration; `{}` for no code. The text is kept as a source folder.

        Args:
            user: who deploys; None only looks, and leaves no event.
        Raises:
            Invalid: the JSON or the file name cannot be read; others are left to the service.
        """
        if not self.is_script:
            return {}
        made: dict[str, Any] = {
            "entryScript": self.script_name,
            "source": self._kept(user),
            "environment": self.environment or None,
        }
        if self.environment == INLINE:
            made["environment"] = _json("environment", self.environment_text)
        models = [line.strip() for line in self.models.splitlines() if line.strip()]
        if models:
            made["models"] = models
        if self.sample.strip():
            made["sampleInput"] = _json("sampleInput", self.sample)
        return made

    def _kept(self, user: Any) -> str | None:
        """The sha256 of the folder with the text as it is in the editor."""
        texts = {self.script_name: self.script_text}
        if self.source:
            if self.script_text == _text_of(self.source, self.script_name):
                return self.source
            return folders.source_edit(sha256=self.source, texts=texts, user=user).sha256
        given = [folders.SourceFile.text(path, text) for path, text in texts.items()]
        return folders.source_create(files=given, user=user).sha256


def _text_of(source: str, path: str) -> str | None:
    try:
        return folders.source_read(source, path)
    except Problem:
        return None


def _json(name: str, text: str) -> Any:
    try:
        return json_text_read(text)
    except ValueError as error:
        sentence = _("is no JSON: %(cause)s.") % {"cause": str(error)[:200].rstrip(".")}
        field = f"inference.{name}"
        raise Invalid(f"{field} {sentence}", fields={field: [sentence]}) from None


def script_input(posted: Mapping[str, str]) -> ScriptInput:
    """Read a posted Deploy page."""
    texts = {
        item.name: str(posted.get(item.name, "")).replace("\x00", "").replace("\r\n", "\n")
        for item in fields(ScriptInput)
    }
    made = ScriptInput(**texts)
    kept = {"script_text", "environment_text", "sample", "models"}
    return replace(made, **{name: text.strip() for name, text in texts.items() if name not in kept})


def shown(inference: Mapping[str, Any]) -> ScriptInput:
    """The controls filled with the inference configuration of a revision."""
    if not inference:
        return ScriptInput()
    environment, sample = inference.get("environment"), inference.get("sampleInput")
    inline = isinstance(environment, Mapping)
    return ScriptInput(
        code=SCRIPT,
        script_name=inference["entryScript"],
        script_text=_text_of(inference["source"], inference["entryScript"]) or "",
        source=inference["source"],
        environment=INLINE if inline else environment or "",
        environment_text=pretty(environment) if inline else "",
        models="\n".join(inference.get("models", [])[1:]),
        sample="" if sample is None else pretty(sample),
    )


def with_import(before: ScriptInput, inference: Mapping[str, Any]) -> ScriptInput:
    """The controls with what an imported inference configuration says."""
    name = str(inference.get("entryScript") or before.script_name)
    environment = inference.get("environment")
    text = _text_of(before.source, name) if before.source else None
    return replace(
        before,
        code=SCRIPT,
        script_name=name,
        script_text=before.script_text if text is None else text,
        environment=INLINE if isinstance(environment, Mapping) else environment or "",
        environment_text=json.dumps(environment, indent=2) if environment else "",
    )


def by_control(fields_: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The sentences of a Problem by the control that can mend them; others keep their name."""
    found: dict[str, list[str]] = {}
    for name, texts in fields_.items():
        control = CONTROLS.get(".".join(name.split(".")[:2]), name)
        found.setdefault(control, []).extend(texts)
    return found


def labelled(errors: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The same under the names that people see."""
    return {str(LABELS.get(name, name)): texts for name, texts in errors.items()}


def with_version(values: ScriptInput, version: VersionInfo) -> ScriptInput:
    """The controls for a version: where it needs a script, one to start from for its format."""
    if not version.needs_script and "python_function" in version.flavors:
        return values
    if values.script_text.strip() or values.source:
        return replace(values, code=SCRIPT)
    environment = values.environment
    if not environment and not version.requirements:
        environment = curated_for(version.format)
    text = template_for(version.format).text
    return replace(values, code=SCRIPT, script_text=text, environment=environment)


def script_context(values: ScriptInput, why: str = "") -> dict[str, Any]:
    """What the page shows around the controls. One query.

    Args:
        why: the sentence that the version cannot be served without; "" where it can.
    """
    rows = EnvironmentVersion.objects.filter(archived=False).select_related("environment")
    names = [str(row) for row in rows.order_by("environment__name", "-pk")[:MOST_ENVIRONMENTS]]
    if values.environment not in {"", INLINE, *names}:
        names.insert(0, values.environment)
    return {
        "script": values,
        "script_why": why,
        "script_limit": {"bytes": 2 * folders.MAX_BYTES, "sentence": folders.too_large().message},
        "environments": names,
        "script_templates": templates(),
        "script_problems": values.problems() if values.script_text else [],
    }
