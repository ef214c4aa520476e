"""Whether a text can be an entry script: found by parsing alone, nothing of it is run.

The rules are those that `serving/script/signature.py` keeps when the script is loaded. Where
parsing cannot know (a function that is imported, an unknown decorator) it says nothing: the
service's start does. The studio's own Python parses; a script for another minor may know other
syntax.
"""

from __future__ import annotations

import ast
import keyword
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.utils.translation import gettext as _

from workspaces.syntax import undisturbed

MAX_SCRIPT = 1_000_000  # characters
MAX_PATH = 400  # characters of the name of a file
HEADERS = "request_headers"  # a parameter of this name is given the request's headers
DRIVER = "driver_module"  # a script that names one takes run() from it
RAW, INPUT, OUTPUT = "rawhttp", "input_schema", "output_schema"
KNOWN = frozenset({RAW, INPUT, OUTPUT})
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class ScriptProblem:
    """One thing that is wrong. `line` counts from 1; 0 is the script as a whole."""

    line: int
    sentence: str

    def __str__(self) -> str:
        if not self.line:
            return self.sentence
        return _("Line %(line)s: %(text)s") % {"line": self.line, "text": self.sentence}


def name_check(path: Any) -> list[str]:
    """What is wrong with the path of an entry script in its source folder, as sentences."""
    if not isinstance(path, str) or not path.strip():
        return [_("must name a file, such as score.py.")]
    if path_problem(path):
        return [_("must be a path inside the source folder, such as score.py.")]
    file = PurePosixPath(path)
    if file.suffix != ".py":
        return [_("must end in .py.")]
    if not file.stem.isidentifier() or keyword.iskeyword(file.stem):
        return [
            _("must be a Python identifier and no keyword: letters, digits and underscores, ")
            + _("beginning with a letter, then .py.")
        ]
    return []


def path_problem(path: str) -> str:
    """Why this cannot be the path of a file in a folder; "" when it can.

    A path is relative, is written with slashes in the shortest way and holds no control characters.
    """
    if len(path) > MAX_PATH:
        return _("is too long; at most %(most)s characters.") % {"most": MAX_PATH}
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in path) or "\\" in path:
        return _("holds a character that no file name should have.")
    try:
        path.encode()
    except UnicodeEncodeError:
        return _("is not text that can be kept.")
    parts = path.split("/")
    if any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts):
        return _("must be a relative path without empty parts and without “..”.")
    return ""


def script_check(text: str) -> list[ScriptProblem]:
    """Everything that keeps a text from being an entry script, by line; never raises."""
    if len(text) > MAX_SCRIPT:
        sentence = _("The script is longer than %(most)s characters.") % {"most": MAX_SCRIPT}
        return [ScriptProblem(0, sentence)]
    try:
        tree = undisturbed(lambda: _tree(text.removeprefix("\ufeff")))
    except SyntaxError as error:
        words = _("This is not Python: %(what)s.") % {"what": (error.msg or "invalid syntax")[:200]}
        return [ScriptProblem(max(error.lineno or 0, 0), words)]
    except (ValueError, OverflowError):  # a NUL, half a surrogate pair, a number of 5,000 digits
        return [ScriptProblem(0, _("The text holds characters or numbers that Python refuses."))]
    except (RecursionError, MemoryError):
        return [ScriptProblem(0, _("The script is nested too deeply to be read."))]
    return sorted(_problems(tree))


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes and the like: not ours to say
        tree = ast.parse(text)
        compile(tree, "<entry script>", "exec", dont_inherit=True)
    return tree


def _problems(tree: ast.Module) -> Iterator[ScriptProblem]:
    names = _names(tree.body)
    for name in ("init", "run"):
        found = names.get(name)
        if isinstance(found, Function):
            yield from (_init_problems(found) if name == "init" else _run_problems(found, names))
        elif found is None and not ("*" in names or (name == "run" and DRIVER in names)):
            sentence = _("The entry script does not have a %(name)s() function.")
            yield ScriptProblem(0, sentence % {"name": name})
        elif isinstance(found, ast.ClassDef | ast.Constant):
            sentence = _("%(name)s must be a function.") % {"name": name}
            yield ScriptProblem(found.lineno, sentence)


def _names(body: Sequence[ast.stmt]) -> dict[str, ast.AST]:
    """What the module's own names stand for at its end; "*" when it imports everything."""
    found: dict[str, ast.AST] = {}
    pending: list[Sequence[ast.AST]] = [body]
    while pending:
        for statement in pending.pop():
            found.update(_bound(statement))
            pending.extend(
                part
                for field in ("body", "orelse", "finalbody", "handlers", "cases")
                if isinstance(part := getattr(statement, field, None), list)
                and not isinstance(statement, Function | ast.ClassDef)
            )
    return found


def _bound(statement: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(statement, Function | ast.ClassDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0], alias
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.With | ast.For):
        value = getattr(statement, "value", None)
        is_plain = isinstance(value, ast.Constant)
        for target in _targets(statement):
            yield target, value if is_plain and value is not None else statement


def _targets(statement: ast.AST) -> list[str]:
    """Names that an assignment, a loop or a `with` gives a value."""
    parts: list[ast.AST] = []
    if isinstance(statement, ast.Assign):
        parts = list(statement.targets)
    elif isinstance(statement, ast.For) or getattr(statement, "value", None) is not None:
        parts = [statement.target]  # type: ignore[attr-defined]
    elif isinstance(statement, ast.With):
        parts = [item.optional_vars for item in statement.items if item.optional_vars]
    return [
        node.id
        for part in parts
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _init_problems(init: Function) -> Iterator[ScriptProblem]:
    if isinstance(init, ast.AsyncFunctionDef):
        yield _must_be_plain(init)
    if not init.decorator_list and _required(init):
        sentence = _("init() is called without arguments; give %(names)s a default.")
        names = ", ".join(f"“{name}”" for name in _required(init))
        yield ScriptProblem(init.lineno, sentence % {"names": names})


def _must_be_plain(function: Function) -> ScriptProblem:
    sentence = _("%(name)s() must be a plain function: take the word async away.")
    return ScriptProblem(function.lineno, sentence % {"name": function.name})


def _required(function: Function) -> list[str]:
    """Parameters without a default, in order."""
    found = function.args
    positional = [*found.posonlyargs, *found.args]
    without = positional[: len(positional) - len(found.defaults)]
    keywords = zip(found.kwonlyargs, found.kw_defaults, strict=True)
    return [
        *(item.arg for item in without),
        *(item.arg for item, default in keywords if default is None),
    ]


def _run_problems(run: Function, names: dict[str, ast.AST]) -> Iterator[ScriptProblem]:
    if isinstance(run, ast.AsyncFunctionDef):
        yield _must_be_plain(run)
    marks = [_mark(item, names) for item in run.decorator_list]
    if RAW in marks and INPUT in marks:
        sentence = _("@rawhttp and @input_schema cannot be used together on run().")
        yield ScriptProblem(run.lineno, sentence)
    if any(mark not in KNOWN for mark in marks):
        return  # an unknown decorator may give the function other parameters
    variadic = [*run.args.posonlyargs, run.args.vararg, run.args.kwarg]
    for item in variadic:
        if item is not None:
            sentence = _("run() cannot take *args, **kwargs or positional-only parameters; ")
            told = _("change “%(name)s”.") % {"name": item.arg}
            yield ScriptProblem(item.lineno, sentence + told)
    data = [item.arg for item in (*run.args.args, *run.args.kwonlyargs) if item.arg != HEADERS]
    if not data and not any(item is not None for item in variadic):
        yield ScriptProblem(run.lineno, _("run() must take an argument for the input data."))
    if INPUT in marks:
        yield from _schema_problems(run, data, names)
    elif data:
        yield from _single_problems(run, data)


def _single_problems(run: Function, data: list[str]) -> Iterator[ScriptProblem]:
    """An undecorated run() is given one thing, by position."""
    first = next((item.arg for item in run.args.args), "")
    others = [name for name in _required(run) if name not in {HEADERS, data[0]}]
    if first != data[0] and not run.args.vararg and not run.args.posonlyargs:
        sentence = _("The first parameter of run() must be the input data, given by position.")
        yield ScriptProblem(run.lineno, sentence)
    if others:
        sentence = _("run() is given the body as “%(data)s” and nothing for %(names)s: ")
        told = _("give a default, or describe each parameter with @input_schema.")
        listed = ", ".join(f"“{name}”" for name in others)
        words = sentence % {"data": data[0], "names": listed}
        yield ScriptProblem(run.lineno, words + told)


def _schema_problems(
    run: Function, data: list[str], names: dict[str, ast.AST]
) -> Iterator[ScriptProblem]:
    for item in run.decorator_list:
        if not isinstance(item, ast.Call) or _mark(item, names) != INPUT:
            continue
        given = [word.value for word in item.keywords if word.arg == "param_name"]
        value = next(iter([*item.args[:1], *given]), None)
        if (
            isinstance(value, ast.Constant)
            and isinstance(value.value, str)
            and value.value not in {*data, HEADERS}
        ):
            sentence = _("@input_schema describes “%(name)s”, which run() does not take.")
            yield ScriptProblem(item.lineno, sentence % {"name": value.value[:80]})


def _mark(decorator: ast.expr, names: dict[str, ast.AST]) -> str:
    """What a decorator is called where it was defined; "" when that cannot be told."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(node, ast.Attribute):
        return node.attr
    if not isinstance(node, ast.Name):
        return ""
    origin = names.get(node.id)
    return origin.name if isinstance(origin, ast.alias) else node.id
