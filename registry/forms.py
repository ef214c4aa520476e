"""Forms of the registry's pages. They carry what was typed; `services` judges it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from registry.values import ModelChoice
from workspaces.errors import Problem


class RegisterForm(forms.Form):
    """Register the model of a run; `path` is a choice only where the run logged several."""

    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        help_text=_("A new name makes a model; a name that exists gets its next version."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    path = forms.ChoiceField(
        label=_("Logged model"),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 3}),
    )

    def __init__(self, *args: Any, choices: tuple[ModelChoice, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ready = [choice for choice in choices if choice.ready]
        if len(ready) > 1:
            self.fields["path"].choices = [  # type: ignore[attr-defined]
                (choice.path, _label(choice)) for choice in ready
            ]
        else:
            del self.fields["path"]


class DescriptionForm(forms.Form):
    """The description of a model or a version."""

    description = forms.CharField(
        label=_("Description"),
        required=False,
        strip=True,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 8}),
    )


def problem_add(form: forms.Form, problem: Problem) -> None:
    """Show a problem beside the fields that it names, the rest above the form."""
    placed = False
    for field, texts in problem.fields.items():
        if field in form.fields:
            placed = True
            for text in texts:
                form.add_error(field, text)
    if not placed:
        form.add_error(None, problem.message)


def _label(choice: ModelChoice) -> str:
    return choice.label if choice.label == choice.path else f"{choice.label} ({choice.path})"
