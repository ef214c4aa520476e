"""A requirements.txt becomes packages, or sentences with their lines."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.building.environments import _refuse_sources
from registry.environments import rules
from registry.environments.files import environment_file_read, requirements_read

GOOD = st.sampled_from(
    [
        "numpy",
        "numpy>=2,<3",
        "scikit-learn==1.9.1",
        "uvicorn[standard]~=0.5",
        "tomli>=2; python_version < '3.11'",
    ]
)


def test_comments_empty_lines_and_joined_lines_are_read_as_pip_does() -> None:
    text = "# all\n\nnumpy  # the latest\npandas \\\n  >=2\nscipy~=1.17\n"
    assert requirements_read(text).packages == ("numpy", "pandas >=2", "scipy~=1.17")


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "--index-url https://evil.example/simple",
        "-e .",
        "./wheels/a.whl",
        "/etc/passwd",
        "~/a",
        "C:\\wheels\\a.whl",
        "https://evil.example/a.whl",
        "git+ssh://git@evil.example/a",
        "file:///etc/passwd",
        "numpy @ https://evil.example/a.whl",
        "numpy@https://evil.example/a.whl",
        "numpy @ file:///croot/numpy",
        "numpy==2.4 --hash=sha256:00",
        "numpy -C x=y",
        "wheels/a.whl",
        "two words",
        "numpy=2",
        "numpy>=",
        "a\tb\x07",
        "x" * 600,
        "a;" + "(" * 400,
    ],
)
def test_what_is_no_package_of_the_index_is_refused_with_its_line(line: str) -> None:
    parsed = requirements_read(f"numpy\n{line}\n")
    assert parsed.packages == ("numpy",)
    assert len(parsed.problems) == 1
    assert parsed.problems[0].startswith("Line 2:")


def test_every_wrong_line_is_named_and_thousands_are_cut() -> None:
    assert len(requirements_read("-x\n" * 5).problems) == 5
    problems = requirements_read("-x\n" * 5000).problems
    assert len(problems) == 31
    assert (problems[0], problems[-1]) == (
        "There are more than 1000 packages in it.",
        "And 971 more.",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", " " * 255_000),
        ("a.txt", "\\\n" * 85_000),
        ("a.txt", "a\n" * 127_000),
        ("a.txt", "#" * 255_000),
        ("a.yaml", "dependencies:\n" + "- python>=4\n" * 20_000),
        ("a.yaml", "dependencies: [{pip: [" + "a," * 120_000 + "]}]"),
        ("a.yaml", "[" * 255_000),
        ("a.yaml", "a: &a b\n" + "? *a\n" * 40_000),
        ("a.toml", "[project]\ndependencies = [" + "'a'," * 60_000 + "]"),
        ("a.toml", "a = {b = " * 20_000),
    ],
)
def test_the_longest_files_are_read_at_once(name: str, text: str) -> None:
    began = time.process_time()
    environment_file_read(name, text)
    assert time.process_time() - began < 5  # a second on a slow machine; hours for what is not so


def test_utf_16_of_powershell_and_a_byte_order_mark_are_read() -> None:
    for content in ("numpy\n".encode("utf-16"), "\ufeffnumpy\n".encode()):
        assert environment_file_read("requirements.txt", content).packages == ("numpy",)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80abc", b"\xfe\xff\xd8"])
def test_what_is_no_text_is_said(content: bytes) -> None:
    assert environment_file_read("requirements.txt", content).problems


def test_a_file_of_another_kind_or_size_is_said() -> None:
    assert "neither" in environment_file_read("Pipfile.lock", "").problems[0]
    assert "larger" in environment_file_read("requirements.txt", "a" * 256_001).problems[0]


@given(st.lists(GOOD, max_size=5), st.text(max_size=40))
def test_what_is_taken_is_always_what_the_builder_takes(lines: list[str], odd: str) -> None:
    parsed = requirements_read("\n".join([*lines, odd]))
    _refuse_sources(parsed.packages)  # raises for what it does not take
    assert rules.packages(parsed.packages) == []
    assert parsed.packages[: len(lines)] == tuple(" ".join(line.split()) for line in lines)


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    parsed = requirements_read(text)
    assert all(isinstance(item, str) for item in (*parsed.packages, *parsed.problems))


@pytest.mark.soak
@given(st.binary(max_size=500), st.sampled_from(["a.txt", "a.yaml", "a.toml", "a.in", "a"]))
def test_no_bytes_under_any_name_make_it_fail(content: bytes, name: str) -> None:
    environment_file_read(name, content)
