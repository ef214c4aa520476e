"""A pyproject.toml tells its dependencies and its Python."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.environments.files import pyproject_read, python_choose

PROJECT = """
[project]
name = "scorer"
requires-python = ">=3.10"
dependencies = ["numpy>=2", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
dev = ["pytest"]
"""


@pytest.mark.parametrize(
    "key",
    [
        "a" + ".a" * 100_000,
        "[a" + ".a" * 100_000 + "]",
        'x = {"\\"\u2028"' + ' . "\\"\u2028"' * 20_000,
        "'a=b'" + ".'c'" * 20_000,
    ],
)
def test_a_key_of_very_many_parts_is_refused_before_it_fills_the_memory(key: str) -> None:
    tracemalloc.start()
    parsed = pyproject_read(f"{PROJECT}\n{key} = 1")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too many parts" in parsed.problems[0]
    assert peak < 20_000_000


def test_texts_with_many_dots_are_no_keys() -> None:
    dots = "a.b " * 100 + "." * 200
    assert not pyproject_read(f'{PROJECT}\n[tool.x]\ntext = "{dots}"\n').problems


def test_dependencies_and_python_are_taken() -> None:
    parsed = pyproject_read(PROJECT, "3.11")
    assert (parsed.name, parsed.python, parsed.problems) == ("scorer", "3.11", ())
    assert parsed.packages == ("numpy>=2", "tomli; python_version < '3.11'")
    assert "Optional" in parsed.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "[tool.poetry.dependencies]\nnumpy = '^2'",
        "[project]\ndynamic = ['dependencies']",
        "[project]\ndependencies = 'numpy'",
        "[project]\ndependencies = [5]",
        "[project]\ndependencies = ['a @ https://evil.example/a.whl']",
        "[project]\nrequires-python = 'often'",
        "[project]\nrequires-python = '<3'",
        "project = 3",
        "a = " + "[" * 5000,
    ],
)
def test_what_cannot_be_taken_is_said(text: str) -> None:
    parsed = pyproject_read(text)
    assert parsed.problems
    assert parsed.packages == ()


@pytest.mark.parametrize(
    ("spec", "preferred", "minor"),
    [
        (">=3.9", "3.11", "3.11"),
        (">=3.9", "", "3.12"),
        (">=3.9,<3.11", "3.11", "3.10"),
        ("==3.10.4", "3.11", "3.10"),
        ("==3.6.*", "3.11", "3.6"),
        ("~=3.8.5", "3.11", "3.8"),
        (">=3.11.4", "3.11", "3.11"),
        ("<3.7", "", "3.0"),
        (">=4", "3.11", ""),
        ("nonsense", "3.11", ""),
    ],
)
def test_a_python_is_chosen_that_the_project_allows(spec: str, preferred: str, minor: str) -> None:
    assert python_choose(spec, preferred) == minor


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    pyproject_read(text)
    python_choose(text)
