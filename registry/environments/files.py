"""What requirements.txt, conda.yaml, pyproject.toml and the text of a Dockerfile ask for.

The files were written by anybody. Nothing here raises for what they contain: what cannot be taken
becomes a sentence in `Parsed.problems`, with its line where there is one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from registry.environments import rules
from registry.environments.conda import CondaPackage, conda_package
from registry.facts import yaml_mapping
from workspaces.errors import Invalid

MAX_FILE = 256_000  # characters; an export of 500 packages has 30,000
MAX_ENTRIES = 2 * rules.MAX_PACKAGES  # read at most; reading takes time for each
MAX_PROBLEMS = 30
# a key of TOML with too many parts, each of them bare or quoted
_DOTTED = re.compile(
    r"""(?<![\w\-"'.\\])"""
    r"""(?:(?:[\w\-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\.[ \t]*){50}"""
)
_COMMENT = re.compile(r"(?:^|(?<=\s))#")
MINORS = ("3.12", "3.11", "3.13", "3.10", "3.14", "3.9", "3.8")  # tried in this order


@dataclass(frozen=True)
class Parsed:
    """What a file asks for.

    Attributes:
        python: minor; "" when the file says nothing of it.
        packages: lines as of requirements.txt.
        conda: what became of each conda package.
        notes: sentences about what was left out on purpose.
        problems: sentences about what cannot be taken; with any, nothing must be made of this.
        about: which field the problems belong to.
    """

    name: str = ""
    python: str = ""
    packages: tuple[str, ...] = ()
    conda: tuple[CondaPackage, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    about: str = "file"


def environment_file_read(name: str, content: bytes | str, *, python: str = "") -> Parsed:
    """What the file of this name asks for.

    Args:
        name: ends with requirements.txt (or .txt, .in), .yaml, .yml or .toml; folders before it
            do not matter.
        python: minor that is taken where the file allows several.
    """
    reader = _reader(name)
    if reader is None:
        text = _("“%(name)s” is neither requirements.txt, nor conda.yaml, nor pyproject.toml.")
        return Parsed(problems=(text % {"name": name[:120]},))
    try:
        text = content if isinstance(content, str) else _decode(content, name)
    except ValueError:
        text = _("The file %(name)s is not UTF-8 text.")
        return Parsed(problems=(text % {"name": name[:120]},))
    if len(text) > MAX_FILE:
        return Parsed(problems=(_("The file is larger than 256 KB."),))
    return reader(text.removeprefix("\ufeff"), python)


def _reader(name: str) -> Callable[[str, str], Parsed] | None:
    last = re.split(r"[\\/]", name)[-1].lower()
    if last.endswith((".txt", ".in")):
        return lambda text, _python: requirements_read(text)
    if last.endswith((".yaml", ".yml")):
        return conda_read
    return pyproject_read if last.endswith(".toml") else None


def _decode(content: bytes, name: str) -> str:
    """Text of a file; PowerShell's `pip freeze > requirements.txt` writes UTF-16."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    return content.decode("utf-8")


def requirements_read(text: str) -> Parsed:
    """The packages of a requirements.txt."""
    packages: list[str] = []
    problems: list[str] = []
    for number, line in logical_lines(text):
        comment = _COMMENT.search(line)
        line = _tidy(line[: comment.start()] if comment else line)
        if not line:
            continue
        if len(packages) + len(problems) == MAX_ENTRIES:
            problems.insert(0, _too_many())
            break
        if sentence := rules.requirement(line):
            problems.append(_at_line(number, sentence))
        else:
            packages.append(line)
    return Parsed(packages=tuple(packages), problems=_few(problems))


def conda_read(text: str, python: str = "") -> Parsed:
    """The packages, the Python and the variables of a conda.yaml."""
    try:
        return conda_from(yaml_mapping(text.encode(errors="replace"), "conda.yaml"), python)
    except Invalid as error:
        return Parsed(problems=(error.message,))


def conda_from(raw: Mapping[str, Any], python: str = "", *, is_v1: bool = False) -> Parsed:
    """The same of a mapping, such as v1's `python.condaDependencies`.

    Args:
        is_v1: it is to be written as it was: azureml-defaults stays among the packages.
    """
    dependencies = raw.get("dependencies")
    dependencies = [] if dependencies is None else dependencies
    if not isinstance(dependencies, list):
        return Parsed(problems=(_("“dependencies” is not a list."),))
    if _count(dependencies) > MAX_ENTRIES:
        return Parsed(problems=(_too_many(),))
    reader = _Conda(python, is_v1)
    for item in dependencies:
        reader.take(item)
    variables = raw.get("variables") or {}
    name = raw.get("name")
    return Parsed(
        name=name if isinstance(name, str) else "",
        python=reader.python,
        packages=tuple(reader.packages),
        conda=tuple(reader.conda),
        variables=variables if isinstance(variables, dict) else {},
        notes=tuple(reader.notes),
        problems=_few(reader.problems),
    )


class _Conda:
    """Collects what the entries of `dependencies` come to."""

    def __init__(self, python: str, is_v1: bool) -> None:
        self.preferred, self.is_v1 = python, is_v1
        self.python = ""
        self.packages: list[str] = []
        self.conda: list[CondaPackage] = []
        self.notes: list[str] = []
        self.problems: list[str] = []

    def take(self, item: Any) -> None:
        if isinstance(item, str):
            self._package(item)
        elif isinstance(item, Mapping) and set(item) == {"pip"}:
            self._pip(item["pip"])
        else:
            text = _("“%(item)s” among the dependencies is neither a package nor a pip section.")
            self.problems.append(text % {"item": str(item)[:120]})

    def _package(self, given: str) -> None:
        found = conda_package(given)
        if found.problem:
            self.problems.append(found.problem)
        elif found.python:
            self._python(found.python)
        else:
            self.conda.append(found.package)
            self.packages += [found.package.became] if found.package.became else []

    def _python(self, spec: str) -> None:
        self.python = python_choose(spec, self.preferred)
        if not self.python:
            text = _("No Python 3 is “%(spec)s”.") % {"spec": spec[:80]}
            self.problems.append(text)

    def _pip(self, lines: Any) -> None:
        for line in lines if isinstance(lines, list) else [lines]:
            is_runtime = isinstance(line, str) and re.match(r"azureml-defaults\b", line.strip())
            if is_runtime and not self.is_v1:
                self.notes.append(
                    _("azureml-defaults was left out: Slipway's runtime takes its place.")
                )
            elif sentence := rules.requirement(_tidy(line)):
                self.problems.append(sentence)
            else:
                self.packages.append(_tidy(line))


def pyproject_read(text: str, python: str = "") -> Parsed:
    """The dependencies and the Python of [project] in a pyproject.toml."""
    try:
        _check_keys(text)
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        place = str(error)[:200]
        return Parsed(problems=(_("This is not valid TOML: %(place)s.") % {"place": place},))
    project = raw.get("project")
    if not isinstance(project, dict):
        return Parsed(
            problems=(_("There is no table [project]; dependencies of other tools are not read."),)
        )
    problems: list[str] = []
    lines = project.get("dependencies", [])
    if "dependencies" in (project.get("dynamic") or []):
        problems.append(_("The dependencies are dynamic: they are not in this file."))
    if not isinstance(lines, list):
        problems.append(_("“dependencies” is not a list."))
        lines = []
    if len(lines) > MAX_ENTRIES:
        problems.append(_too_many())
        lines = []
    lines = [_tidy(line) for line in lines]
    problems += [sentence for line in lines if (sentence := rules.requirement(line))]
    notes = []
    if project.get("optional-dependencies"):
        notes.append(_("Optional dependencies were left out; add those that you need."))
    name = project.get("name", "")
    spec = project.get("requires-python", "")
    chosen = python_choose(spec, python) if isinstance(spec, str) and spec else ""
    if spec and not chosen:
        problems.append(_("No Python 3 is “%(spec)s”.") % {"spec": str(spec)[:80]})
    return Parsed(
        name=name if isinstance(name, str) else "",
        python=chosen,
        packages=() if problems else tuple(lines),
        notes=tuple(notes),
        problems=_few(problems),
    )


def _check_keys(text: str) -> None:
    """Refuse what no project writes, before it is parsed.

    tomllib keeps every beginning of every dotted key: memory grows with the square of its parts.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") >= 50 and _DOTTED.search(line):
            text_ = _("line %(number)s has a key of too many parts")
            raise ValueError(text_ % {"number": number})


def docker_steps_read(text: str) -> tuple[str, list[str]]:
    """Base image ("" without a FROM) and steps of a Dockerfile's text; nothing is judged here."""
    lines = (line.strip() for _number, line in logical_lines(text, comments=True))
    steps = [line for line in lines if line]
    if steps and re.match(r"FROM\s", steps[0], re.IGNORECASE):
        return steps[0].split(maxsplit=1)[1], steps[1:]
    return "", steps


def logical_lines(text: str, *, comments: bool = False) -> Iterator[tuple[int, str]]:
    """Lines with the number of their first one, those that end in a backslash joined.

    Args:
        comments: whole lines of comment vanish, also between joined ones, as Docker has it.
    """
    started = 0
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if comments and line.lstrip().startswith("#"):
            continue
        started = started or number
        if line.rstrip().endswith("\\"):
            parts.append(line.rstrip()[:-1] + " ")
            continue
        yield started, "".join((*parts, line))
        started, parts = 0, []
    if parts:
        yield started, "".join(parts)


def python_choose(spec: str, preferred: str = "") -> str:
    """The minor to take where `spec` (">=3.9") allows several; "" where it allows none."""
    try:
        allowed = SpecifierSet(spec)
    except InvalidSpecifier:
        return ""
    pinned = re.fullmatch(r"={2,3}\s*(3\.\d{1,2})(\..*)?", spec.strip())
    if pinned:
        return pinned[1]
    for minor in (preferred, *MINORS):
        if minor and any(allowed.contains(f"{minor}.{patch}") for patch in range(40)):
            return minor
    for number in range(40):  # far from what is usual, such as "<3.7"
        if allowed.contains(f"3.{number}.0"):
            return f"3.{number}"
    return ""


def _count(dependencies: list[Any]) -> int:
    """Entries of a conda file with those of its pip sections."""
    sections = [item["pip"] for item in dependencies if isinstance(item, Mapping) and "pip" in item]
    return len(dependencies) + sum(len(part) for part in sections if isinstance(part, list))


def _too_many() -> str:
    return _("There are more than %(limit)s packages in it.") % {"limit": MAX_ENTRIES}


def _tidy(line: Any) -> Any:
    """With single spaces; what is no text stays as it is, to be refused."""
    return " ".join(line.split()) if isinstance(line, str) else line


def _at_line(number: int, sentence: str) -> str:
    return _("Line %(number)s: %(sentence)s") % {"number": number, "sentence": sentence}


def _few(problems: list[str]) -> tuple[str, ...]:
    """The first ones; a wrong file may have thousands."""
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return tuple(problems)
    rest = _("And %(count)s more.") % {"count": more}
    return (*problems[:MAX_PROBLEMS], rest)
