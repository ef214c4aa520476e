"""Forms of the registry's pages. They carry what was typed; `services` judges it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from registry.formats.recognising import FRAMEWORKS
from registry.pairs import pairs_parse
from registry.values import ModelChoice
from workspaces.errors import Problem

FOLDED = ("framework", "framework_version", "sample_input", "sample_output")  # of RegisterForm


class PairsField(forms.CharField):
    """Lines of key=value, as a dict."""

    def __init__(self, *, label: Any, help_text: Any = None) -> None:
        widget = forms.Textarea(
            attrs={"class": "form-control mono", "rows": 3, "spellcheck": "false"}
        )
        if help_text is None:
            help_text = _("One key=value per line.")
        super().__init__(label=label, help_text=help_text, required=False, widget=widget)

    def clean(self, value: Any) -> dict[str, str]:
        try:
            return pairs_parse(super().clean(value), "pairs")
        except Problem as problem:
            raise forms.ValidationError(problem.message) from problem


def _properties() -> PairsField:
    text = _(
        "One key=value per line. A property is set once, for good; use a tag for what changes."
    )
    return PairsField(label=_("Properties"), help_text=text)


def _framework() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Framework"),
        required=False,
        choices=[("", _("What the files tell")), *((name, name) for name in FRAMEWORKS)],
        widget=forms.Select(attrs={"class": "form-select"}),
    )


def _framework_version() -> forms.CharField:
    return forms.CharField(
        label=_("Framework version"),
        required=False,
        max_length=40,
        help_text=_("Empty: what the files tell."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )


def _sample_input(what_for: Any) -> forms.CharField:
    return forms.CharField(
        label=_("Sample input"),
        required=False,
        help_text=format_lazy("{} {}", _('JSON, such as [{"age": 0.1, "bmi": 2.0}].'), what_for),
        widget=_json_area(4),
    )


def _sample_output() -> forms.CharField:
    return forms.CharField(
        label=_("Sample output"),
        required=False,
        help_text=_("JSON: what the model answers to the sample input."),
        widget=_json_area(2),
    )


def _json_area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"class": "form-control mono", "rows": rows, "spellcheck": "false"})


class RegisterForm(forms.Form):
    """Register the model of a run; `path` is a choice only where the run logged several.

    `artifact` is any file or folder among the run's artifacts in place of a logged model.
    """

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
    tags = PairsField(label=_("Tags"))
    properties = _properties()
    framework = _framework()
    framework_version = _framework_version()
    sample_input = _sample_input(
        _(
            "It is kept with the version; of files that are no MLflow model it becomes the "
            "signature and the input example."
        )
    )
    sample_output = _sample_output()
    artifact = forms.CharField(required=False, max_length=1000, widget=forms.HiddenInput)

    def __init__(self, *args: Any, choices: tuple[ModelChoice, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ready = [choice for choice in choices if choice.ready]
        if len(ready) > 1 and not self["artifact"].value():
            self.fields["path"].choices = [  # type: ignore[attr-defined]
                (choice.path, _label(choice)) for choice in ready
            ]
        else:
            del self.fields["path"]

    @property
    def more_open(self) -> bool:
        """Whether what is folded away has something to show: what was typed, or is wrong."""
        return any(self[name].errors or self[name].value() for name in FOLDED)


class UploadForm(forms.Form):
    """Register files from elsewhere. The files themselves are no fields: they come by streaming."""

    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        help_text=_("A new name makes a model; a name that exists gets its next version."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 2}),
    )
    tags = PairsField(label=_("Tags"))
    properties = _properties()
    framework = _framework()
    framework_version = _framework_version()
    sample_input = _sample_input(
        _("It becomes the signature and the input example of a model that has none.")
    )
    sample_output = _sample_output()
    server_path = forms.CharField(
        label=_("Path on the server"),
        required=False,
        max_length=4000,
        help_text=_("In place of an upload: a file or a folder that is on the server already."),
        widget=forms.TextInput(attrs={"class": "form-control mono", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, server_paths: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not server_paths:
            del self.fields["server_path"]


class BestRunForm(forms.Form):
    """Register the best run of an experiment."""

    metric = forms.ChoiceField(
        label=_("Metric"), widget=forms.Select(attrs={"class": "form-select"})
    )
    mode = forms.ChoiceField(
        label=_("Best is"),
        choices=[("max", _("the highest value")), ("min", _("the lowest value"))],
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        help_text=_("A new name makes a model; a name that exists gets its next version."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, metrics: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["metric"].choices = [(key, key) for key in metrics]  # type: ignore[attr-defined]


class NotesForm(forms.Form):
    """The notes of a version."""

    notes = forms.CharField(
        label=_("Notes"),
        required=False,
        help_text=_(
            "Markdown: # headings, - lists, **bold**, *italic*, `code`, [links](https://…)."
        ),
        widget=forms.Textarea(attrs={"class": "form-control mono", "rows": 16}),
    )


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
