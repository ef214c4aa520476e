"""An entry script is checked by parsing: what is said, on which line, and that nothing raises."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.scripts.parsing import MAX_SCRIPT, name_check, script_check
from serving.script import signature
from serving.script.errors import ScriptError

INIT = "def init():\n    pass\n"
AML = "from azureml.contrib.services.aml_request import rawhttp\n"
SCHEMA = "from inference_schema.schema_decorators import input_schema, output_schema as out\n"


def said(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.sentence) for problem in script_check(text)]


@pytest.mark.parametrize(
    "text",
    [
        INIT + "def run(data): return data",
        INIT + "def run(data, request_headers): return data",
        INIT + "def run(data, factor=2, *, more=None): return data",
        INIT + AML + "@rawhttp\ndef run(request): return request",
        INIT
        + SCHEMA
        + "@input_schema('a', 1)\n@input_schema('b', 1)\n@out(1)\ndef run(a, b): pass",
        INIT + SCHEMA + "@input_schema(param_name='a')\ndef run(a, request_headers): pass",
        "from elsewhere import init, run",
        "from elsewhere import *",
        "import x\ndriver_module = x\n" + INIT,
        "run = make()\ninit = lambda: None",
        "if True:\n    def init(): pass\n    def run(data): pass",
        "try:\n    from a import run\nexcept ImportError:\n    from b import run\n" + INIT,
        INIT + "@whatever\ndef run(*args, **kwargs): pass",
        "\ufeff" + INIT + "def run(data): return data",
    ],
)
def test_scripts_that_can_be_served(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 0, "init() function"),
        (INIT, 0, "run() function"),
        (INIT + "def run(:\n", 3, "This is not Python"),
        (INIT + "return 1\n", 3, "outside function"),
        (INIT + "def run(): pass", 3, "must take an argument"),
        (INIT + "def run(request_headers): pass", 3, "must take an argument"),
        (INIT + "def run(*data): pass", 3, "change “data”"),
        (INIT + "def run(data, /): pass", 3, "positional-only"),
        (INIT + "def run(data, **more): pass", 3, "change “more”"),
        (INIT + "def run(data, scale): pass", 3, "nothing for “scale”"),
        (INIT + "def run(request_headers, data): pass", 3, "first parameter"),
        (INIT + "def run(*, data): pass", 3, "by position"),
        (INIT + "async def run(data): pass", 3, "take the word async away"),
        (INIT + "run = 3", 3, "must be a function"),
        (INIT + "class run: pass", 3, "must be a function"),
        ("def init(a): pass\ndef run(data): pass", 1, "give “a” a default"),
        ("async def init(): pass\ndef run(data): pass", 1, "async"),
        (
            INIT + AML + SCHEMA + "@rawhttp\n@input_schema('a', 1)\ndef run(a): pass",
            *(7, "cannot be used together"),
        ),
        (INIT + SCHEMA + "@input_schema('b', 1)\ndef run(a): pass", 4, "describes “b”"),
        ("x\x00y", 0, "null bytes"),
        ("x" * (MAX_SCRIPT + 1), 0, "longer than"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, words: str) -> None:
    found = said(text)
    assert any(number == line and words in sentence for number, sentence in found), found


def test_everything_wrong_is_said_at_once() -> None:
    assert len(said("def init(a): pass\nasync def run(*data, **more): pass")) == 4


@pytest.mark.parametrize("text", ["(" * 5000, "-" * 50_000 + "1", "x" + ".a" * 50_000, "9" * 9999])
def test_what_nests_without_end_is_told_not_raised(text: str) -> None:
    assert script_check(text)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    script_check(text)


PIECES = ["data", "request_headers", "a=1", "*args", "*", "**kwargs", "/", "b"]


@given(st.lists(st.sampled_from(PIECES), max_size=4, unique=True))
def test_parsing_and_the_runtime_agree_about_signatures(pieces: list[str]) -> None:
    """What parsing lets through the runtime loads, and the other way round."""
    text = f"{INIT}def run({', '.join(pieces)}): pass\n"
    try:
        ast.parse(text)
    except SyntaxError:
        return
    space: dict[str, object] = {}
    exec(text, space)
    run = space["run"]
    try:
        found = signature.read(run)  # type: ignore[arg-type]
        signature.check_single(found)
        first = next(iter(inspect.signature(run).parameters.values()))  # type: ignore[arg-type]
        takes = first.name == found.data[0] and first.kind is not first.KEYWORD_ONLY
    except ScriptError:
        takes = False
    assert (said(text) == []) == takes, (text, said(text))


@pytest.mark.parametrize("name", ["score.py", "a/b/score.py", "_x1.py", "größe.py"])
def test_names_that_can_be_used(name: str) -> None:
    assert name_check(name) == []


@pytest.mark.parametrize(
    "name",
    [
        *("", None, 3, "score", "score.txt", "1score.py", "my-score.py", "class.py", ".py"),
        *("/score.py", "../score.py", "a//score.py", "a\\score.py", "a\n.py", "x" * 500 + ".py"),
    ],
)
def test_names_that_cannot_be_used(name: str) -> None:
    assert name_check(name)


@given(st.text())
def test_no_name_raises(name: str) -> None:
    name_check(name)


def test_the_scripts_of_the_runtime_s_own_tests_pass() -> None:
    folder = Path(__file__).parent.parent / "serving" / "conformance" / "scripts"
    scripts = [path for path in folder.glob("*.py") if "def init" in path.read_text()]
    assert scripts
    for path in scripts:
        assert said(path.read_text()) == [], path
