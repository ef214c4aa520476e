"""A conda.yaml becomes pip requirements as far as that is honest; the rest is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.environments.conda import conda_package, pip_version
from registry.environments.files import conda_from, conda_read

V1 = """
name: project_environment
channels: [anaconda, conda-forge]
dependencies:
  - python=3.6.2
  - pip:
    - azureml-defaults>=1.0.45
    - inference-schema[numpy-support]
  - scikit-learn=0.22.1
  - numpy=1.19.2=py38h_0
"""


def test_v1s_own_example_is_read() -> None:
    parsed = conda_read(V1)
    assert parsed.problems == ()
    assert (parsed.name, parsed.python) == ("project_environment", "3.6")
    assert parsed.packages == (
        "inference-schema[numpy-support]",
        "scikit-learn==0.22.1.*",
        "numpy==1.19.2",
    )
    assert "azureml-defaults" in parsed.notes[0]


def test_the_same_comes_as_json_in_v1s_environments() -> None:
    raw = {"dependencies": ["python=3.11", {"pip": ["numpy>=2"]}]}
    parsed = conda_from(raw)
    assert (parsed.python, parsed.packages) == ("3.11", ("numpy>=2",))


@pytest.mark.parametrize(
    ("given", "became"),
    [
        ("numpy", "numpy"),
        ("conda-forge::numpy=1.19", "numpy==1.19.*"),
        ("numpy=1.19.*", "numpy==1.19.*"),
        ("numpy 1.19.2 py38_0", "numpy==1.19.2"),
        ("numpy 1.19*", "numpy==1.19.*"),
        ("numpy>=1.18,<2", "numpy>=1.18,<2"),
        ("numpy >=1.18.*", "numpy>=1.18"),
        ("numpy==1.19.2=py38_0", "numpy==1.19.2"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("pytables", "tables"),
        ("py-xgboost-cpu==3.1", "xgboost-cpu==3.1"),
    ],
)
def test_names_and_versions_are_written_as_pip_does(given: str, became: str) -> None:
    assert conda_package(given).package.became == became


@pytest.mark.parametrize(
    "given", ["pip", "openssl=1.1.1k=h7f8727e_0", "_libgcc_mutex=0.1", "mkl", "conda-forge::python"]
)
def test_parts_of_the_interpreter_are_left_out_in_words(given: str) -> None:
    package = conda_package(given).package
    assert (package.became, package.missing) == ("", False)
    assert "interpreter" in package.note


@pytest.mark.parametrize("given", ["cudatoolkit=11.3", "r-base", "r-dplyr=1.0", "openjdk=11"])
def test_what_only_conda_has_is_said_with_what_to_do(given: str) -> None:
    package = conda_package(given).package
    assert package.missing
    for word in ("base image", "Docker steps", "pip package"):
        assert word in package.note


@pytest.mark.parametrize("given", ["numpy=1.19|2.0", "numpy[version='>=1']", "a b c =", "", "=1"])
def test_versions_that_pip_does_not_know_are_refused(given: str) -> None:
    found = conda_package(given)
    assert found.problem or found.package.became


def test_a_short_file_that_repeats_itself_without_end_is_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}]\n"
        for before, name in zip("abcdefghijklmnopqrstuvw", "bcdefghijklmnopqrstuvwx", strict=True)
    )
    for text in (bomb, "a: &a [*a, *a]", "dependencies: " + "[" * 200_000):
        assert conda_read(text).problems == ("The file conda.yaml is not valid YAML.",)
    assert conda_read("x: &a numpy\ndependencies: [*a]").packages == ("numpy",)


@pytest.mark.parametrize(
    "text",
    [
        "dependencies: 5",
        "- a",
        "{",
        "dependencies:\n - [a]",
        "dependencies:\n - {conda: a}",
        "dependencies:\n - pip:\n   - -r x",
        "dependencies:\n - python=2.7",
    ],
)
def test_files_of_another_shape_are_said(text: str) -> None:
    assert conda_read(text).problems


def test_variables_of_a_file_are_taken() -> None:
    assert conda_read("dependencies: [numpy]\nvariables: {A: 1}").variables == {"A": "1"}


@given(st.text(max_size=60))
def test_no_entry_makes_it_fail(text: str) -> None:
    found = conda_package(text)
    assert bool(found.problem) + bool(found.python) + bool(found.package.given or not text) >= 1
    pip_version(text)


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    conda_read(text)
