"""The form of a new environment. It carries what was typed; the service function judges it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.building.environment_reading import given_read, pairs_read
from registry.environments.files import MAX_FILE, environment_file_read
from registry.models import EnvironmentVersion

KINDS = ("requirements.txt", "conda.yaml", "pyproject.toml")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def _text(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", **attrs})


def _area(rows: int) -> forms.Textarea:
    return forms.Textarea(
        attrs={"class": "form-control mono", "rows": rows, "spellcheck": "false", "wrap": "off"}
    )


class EnvironmentForm(forms.Form):
    """Packages come from the field, from a file, or from a model; the field's are added."""

    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        help_text=_("A new name makes an environment; a name that exists gets its next version."),
        widget=_text(),
    )
    description = forms.CharField(label=_("Description"), required=False, widget=_text())
    python = forms.CharField(
        label=_("Python"),
        required=False,
        max_length=8,
        help_text=_("Empty: that of the file or the model, else the studio's own."),
        widget=_text(list="pythons"),
    )
    packages = forms.CharField(
        label=_("Packages"),
        required=False,
        help_text=_("One to a line, as in requirements.txt: numpy>=2"),
        widget=_area(8),
    )
    file = forms.FileField(
        label=_("File"),
        required=False,
        allow_empty_file=True,
        help_text=_("requirements.txt, conda.yaml or pyproject.toml"),
        widget=forms.FileInput(
            attrs={"class": "form-control", "accept": ".txt,.in,.yaml,.yml,.toml"}
        ),
    )
    file_kind = forms.ChoiceField(
        label=_("What the text below is"),
        required=False,
        choices=[(kind, kind) for kind in KINDS],
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    file_text = forms.CharField(label=_("Text of a file"), required=False, widget=_area(6))
    model = forms.CharField(
        label=_("Model"),
        required=False,
        help_text=_("models:/NAME/VERSION takes that model's own requirements."),
        widget=_text(),
    )
    variables = forms.CharField(
        label=_("Environment variables"),
        required=False,
        help_text=_("NAME=VALUE, one to a line. Everyone can read them: no secrets."),
        widget=_area(3),
    )
    base_image = forms.CharField(
        label=_("Base image"),
        required=False,
        max_length=512,
        help_text=_("Empty: the studio's own. It needs the Python above."),
        widget=_text(placeholder="python:3.11-slim"),
    )
    docker_steps = forms.CharField(
        label=_("Docker steps"),
        required=False,
        help_text=_("After the base image, one to a line: RUN, ENV, ARG, WORKDIR, SHELL, USER."),
        widget=_area(3),
    )

    pythons = PYTHONS  # offered, not demanded

    @property
    def file_open(self) -> bool:
        """Whether the collapsed part with the file must be seen: it is filled, or wrong."""
        return any(self.errors.get(name) for name in ("file", "file_kind", "file_text")) or bool(
            self["file_text"].value()
        )

    @property
    def model_open(self) -> bool:
        return bool(self.errors.get("model") or self["model"].value())

    def values(self) -> dict[str, Any]:
        """What `environment_add` takes, read as a JSON body is.

        Raises:
            Unavailable: MLflow does not answer.
        """
        given = self.cleaned_data
        return given_read(
            {
                "name": given["name"],
                "description": given["description"] or None,
                "python": given["python"].strip(),
                "packages": _lines(given["packages"]),
                "variables": pairs_read(given["variables"]),
                "base_image": given["base_image"].strip(),
                "docker_steps": given["docker_steps"],
                "file": self._file(),
                "model": given["model"].strip() or None,
            }
        )

    def _file(self) -> dict[str, Any] | None:
        upload, text = self.cleaned_data["file"], self.cleaned_data["file_text"]
        if upload is not None:
            content = upload.read(4 * MAX_FILE + 4)  # no more: a longer one is refused
            return {"name": upload.name, "content": content}
        return {"name": self.cleaned_data["file_kind"], "content": text} if text.strip() else None


def _lines(text: str) -> list[str]:
    """Packages of a text field; what is wrong with them is told by the service function."""
    parsed = environment_file_read(KINDS[0], text)
    if parsed.problems:
        return [line.strip() for line in text.splitlines() if line.strip()]
    return list(parsed.packages)


def initial_of(row: EnvironmentVersion) -> dict[str, Any]:
    """The values of a version, to start the next one from."""
    name = "" if row.environment.curated else row.environment.name
    return {
        "name": name,
        "description": "" if row.environment.curated else row.environment.description,
        "python": row.python,
        "packages": "\n".join(row.packages),
        "variables": "\n".join(f"{key}={value}" for key, value in row.variables.items()),
        "base_image": row.base_image,
        "docker_steps": "\n".join(row.docker_steps),
    }
