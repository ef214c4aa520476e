"""inferenceconfig.json of Azure ML v1: both spellings, every rule, and out again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.scripts.v1_inference import (
    inference_export,
    inference_import,
    is_v1,
    without_secrets,
)
from workspaces.errors import Invalid

SAMPLE: dict[str, Any] = {
    "entryScript": "score.py",
    "sourceDirectory": "./working_directory",
    "environment": {
        "docker": {
            "arguments": [],
            "baseDockerfile": None,
            "baseImage": "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04",
            "enabled": False,
            "sharedVolumes": True,
            "shmSize": None,
        },
        "environmentVariables": {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"},
        "name": "my-deploy-env",
        "python": {
            "baseCondaEnvironment": None,
            "condaDependencies": {
                "channels": ["conda-forge"],
                "dependencies": [
                    "python=3.6.2",
                    {"pip": ["azureml-defaults", "pandas", "inference-schema[numpy-support]"]},
                ],
                "name": "project_environment",
            },
            "condaDependenciesFile": None,
            "interpreterPath": "python",
            "userManagedDependencies": False,
        },
        "version": "1",
    },
}
OLDER = {
    "entryScript": "score.py",
    "runtime": "python",
    "conda_file": "myenv.yml",
    "extra_docker_file_steps": "docker.txt",
    "sourceDirectory": None,
    "enable_gpu": True,
    "base_image": "python:3.11",
}
FILES = {
    "myenv.yml": "name: x\ndependencies:\n- python=3.11\n- numpy=1.26\n- pip\n- pip:\n  - toolz\n",
    "docker.txt": "# tools\nRUN apt-get update \\\n  && true\nENV A=1\n",
}


def wrong(raw: Any, files: dict[str, str] | None = None) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        inference_import(raw, files)
    assert all(name in caught.value.message for name in caught.value.fields)
    return caught.value.fields


def test_the_documented_sample_is_read() -> None:
    found, warnings = inference_import(SAMPLE)
    assert found == {
        "entryScript": "score.py",
        "environment": {
            "name": "my-deploy-env",
            "version": "1",
            "python": "3.6",
            "packages": ["azureml-defaults", "pandas", "inference-schema[numpy-support]"],
            "variables": {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"},
            "baseImage": "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04",
            "dockerSteps": [],
        },
    }
    assert warnings == []


def test_the_older_spelling_is_read() -> None:
    found, warnings = inference_import(OLDER, FILES)
    assert found["environment"] == {
        "name": "",
        "version": "",
        "python": "3.11",
        "packages": ["numpy==1.26.*", "toolz"],
        "variables": {},
        "baseImage": "python:3.11",
        "dockerSteps": ["RUN apt-get update && true", "ENV A=1"],
    }
    assert any(text.startswith("enableGpu has no meaning") for text in warnings)
    camel = {"entryScript": "score.py", "runtime": "python", "condaFile": "./myenv.yml"}
    assert (
        inference_import(camel, FILES)[0]["environment"]["packages"]
        == found["environment"]["packages"]
    )


def test_the_script_alone_uses_the_model_s_own_packages() -> None:
    assert inference_import({"entryScript": "score.py", "sourceDirectory": "."})[0] == {
        "entryScript": "score.py",
        "environment": None,
    }


@pytest.mark.parametrize(
    ("item", "package"),
    [
        ("numpy", "numpy"),
        ("numpy=1.19", "numpy==1.19.*"),
        ("numpy=1.19.2", "numpy==1.19.2.*"),
        ("numpy==1.19.2", "numpy==1.19.2"),
        ("numpy=1.19.2=py37h30dfecb_0", "numpy==1.19.2"),
        ("numpy 1.19.*", "numpy==1.19.*"),
        ("numpy >=1.19,<2", "numpy>=1.19,<2"),
        ("conda-forge::scikit-learn=0.24", "scikit-learn==0.24.*"),
        ("pytorch=2.1", "torch==2.1.*"),
    ],
)
def test_conda_packages_are_taken_from_the_package_index(item: str, package: str) -> None:
    raw = {"condaDependencies": {"dependencies": [item]}}
    found, warnings = inference_import({"entryScript": "score.py", "environment": {"python": raw}})
    assert found["environment"]["packages"] == [package]
    assert len(warnings) == 1


def test_what_only_conda_has_is_a_warning_and_the_interpreter_s_parts_are_none() -> None:
    items = ["python", "pip", "openssl=1.1.1k=h7f8727e_0", "cudatoolkit=11.3", "r-base"]
    raw = {"python": {"condaDependencies": {"dependencies": items}}}
    found, warnings = inference_import({"entryScript": "score.py", "environment": raw})
    assert (found["environment"]["python"], found["environment"]["packages"]) == ("", [])
    assert [text.split()[1] for text in warnings] == ["cudatoolkit", "r-base"]


def test_everything_wrong_in_a_conda_specification_is_said_at_once() -> None:
    items = ["numpy=1|2", {"pip": ["-r other.txt", "https://example.org/a.whl"]}, "python=2.7"]
    raw = {"python": {"condaDependencies": {"dependencies": items}}}
    found = wrong({"entryScript": "score.py", "environment": raw})
    assert list(found) == ["environment.python.condaDependencies.dependencies"]
    assert len(found["environment.python.condaDependencies.dependencies"]) == 4


def test_a_dockerfile_is_its_image_and_its_steps() -> None:
    text = "# comment\nFROM python:3.11-slim\nRUN one \\\n && two\n"
    raw = {"entryScript": "a.py", "environment": {"docker": {"baseDockerfile": text}}}
    found = inference_import(raw)[0]["environment"]
    assert (found["baseImage"], found["dockerSteps"]) == ("python:3.11-slim", ["RUN one && two"])


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        ([], {"inference"}),
        ({}, {"entryScript"}),
        ({"entryScript": "my-score.py"}, {"entryScript"}),
        ({"entryScript": "a.py", "environment": "x"}, {"environment"}),
        ({"entryScript": "a.py", "environment": {"name": "AzureML-x"}}, {"environment.name"}),
        ({"entryScript": "a.py", "environment": {"name": "Microsoft"}}, {"environment.name"}),
        (
            {
                "entryScript": "",
                "environment": {
                    "environmentVariables": {"A": 1},
                    "python": {"condaDependencies": {"dependencies": [3]}},
                    "docker": {"baseImage": "a", "baseDockerfile": "FROM b"},
                    "inferencingStackVersion": "oldest",
                },
            },
            {
                "entryScript",
                "environment.environmentVariables",
                "environment.python.condaDependencies.dependencies",
                "environment.docker.baseImage",
                "environment.inferencingStackVersion",
            },
        ),
        ({"entryScript": "a.py", "models": "models:/a/1", "source": 3}, {"models", "source"}),
        ({"entryScript": "a.py", "models": [1]}, {"models"}),
        ({"entryScript": "a.py", "runtime": "spark-py"}, {"runtime"}),
        ({"entryScript": "a.py", "runtime": "r", "cuda_version": "8"}, {"runtime", "cudaVersion"}),
        ({"entryScript": "a.py", "condaFile": "gone.yml"}, {"condaFile"}),
        ({"entryScript": "a.py", "condaFile": "docker.txt"}, {"condaFile"}),
        ({"entryScript": "a.py", "runtime": "python", "environment": {}}, {"runtime"}),
        (
            {"entryScript": "a.py", "environment": {"docker": {"baseDockerfile": "RUN x"}}},
            {"environment.docker.baseDockerfile"},
        ),
    ],
)
def test_every_violation_is_in_one_message(raw: Any, fields: set[str]) -> None:
    assert set(wrong(raw, FILES)) == fields


def test_what_has_no_meaning_here_is_a_warning() -> None:
    raw = {
        "entryScript": "a.py",
        "more": 1,
        "environment": {
            "docker": {"enabled": True, "shmSize": "4g", "arguments": ["--x"]},
            "spark": {"packages": []},
            "inferencingStackVersion": "latest",
            "python": {"userManagedDependencies": True, "baseCondaEnvironment": "root"},
        },
    }
    warnings = " ".join(inference_import(raw)[1])
    for name in (
        "shmSize",
        "arguments",
        "spark",
        "inferencingStackVersion",
        "userManagedDependencies",
        "more",
    ):
        assert name in warnings
    assert "docker.enabled" not in warnings


def test_ours_is_not_taken_for_v1_s() -> None:
    assert is_v1(SAMPLE)
    assert is_v1(OLDER)
    assert not is_v1({"entryScript": "a.py", "source": "x", "environment": {"packages": []}})
    assert not is_v1({"entryScript": "a.py", "environment": "tools:1"})
    assert not is_v1([])


def test_passwords_are_not_kept() -> None:
    registry = {"address": "r.example", "username": "u", "password": "geheim"}
    raw = {"environment": {"docker": {"baseImageRegistry": registry}}, "keys": {"primaryKey": "k"}}
    kept = without_secrets(raw)
    assert "geheim" not in str(kept)
    assert "primaryKey" not in str(kept)


STUDIO = "slipway-base:bookworm"
NAMES = st.text("abcdefgh-", min_size=1, max_size=8).filter(lambda name: name == name.strip("-"))
VARIABLES = st.text("ABC_", min_size=1, max_size=8)
TEXT = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])


@given(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "version": st.sampled_from(["", "1", "7"]),
            "python": st.sampled_from(["", "3.9", "3.11"]),
            "packages": st.lists(NAMES.map(lambda name: f"{name}==1.0"), max_size=3),
            "variables": st.dictionaries(VARIABLES, st.text(TEXT, max_size=4), max_size=2),
            "baseImage": st.sampled_from(["", "python:3.11"]),
            "dockerSteps": st.lists(st.sampled_from(["RUN a", "ENV B=1", "USER c"]), max_size=3),
        }
    )
)
def test_what_is_exported_is_read_back_the_same(environment: dict[str, Any]) -> None:
    ours = {"entryScript": "lib/score.py", "environment": environment}
    document = inference_export({**ours, "source": "0" * 64}, environment, studio_image=STUDIO)
    image = environment["baseImage"] or (STUDIO if environment["dockerSteps"] else "")
    again = {**ours, "environment": {**environment, "baseImage": image}}
    assert inference_import(document) == (again, [])


def test_docker_steps_without_a_base_image_follow_the_studio_s() -> None:
    environment = {"dockerSteps": ["RUN a", "ENV B=1"]}
    document = inference_export({"entryScript": "a.py"}, environment, studio_image=STUDIO)
    text = document["environment"]["docker"]["baseDockerfile"]
    assert text == f"FROM {STUDIO}\nRUN a\nENV B=1"
    assert inference_import(document)[0]["environment"]["dockerSteps"] == ["RUN a", "ENV B=1"]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nFROM\tevil/image",
        "FROM a\nCOPY --from=evil/image / /",
        "FROM a\nADD https://x /",
        "FROM $IMAGE",
        "FROM a\nRUN x \\\n# nothing\n\\\nFROM b\nFROM b",
        "FROM a\n" + "RUN x\n" * 100_000,
    ],
)
def test_a_dockerfile_with_more_than_plain_steps_is_refused(text: str) -> None:
    raw = {"entryScript": "a.py", "environment": {"docker": {"baseDockerfile": text}}}
    with pytest.raises(Invalid) as caught:
        inference_import(raw)
    assert set(caught.value.fields) == {"environment.docker.baseDockerfile"}


def test_a_steps_file_with_more_than_plain_steps_is_refused() -> None:
    raw = {"entryScript": "a.py", "extraDockerfileSteps": "steps"}
    with pytest.raises(Invalid) as caught:
        inference_import(raw, {"steps": "RUN a\nFROM\tevil"})
    assert set(caught.value.fields) == {"extraDockerfileSteps"}


@pytest.mark.parametrize("text", ["FROM a\nRUN x" + " " * 150_000 + "y", " " * 200_000 + "\\"])
def test_a_dockerfile_of_spaces_takes_no_time(text: str) -> None:
    raw = {"entryScript": "a.py", "environment": {"docker": {"baseDockerfile": text}}}
    started = time.process_time()
    with pytest.raises(Invalid):
        inference_import(raw)
    assert time.process_time() - started < 1


def test_docker_steps_come_back_too() -> None:
    environment = {"baseImage": "python:3.11", "dockerSteps": ["RUN a", "ENV B=1"]}
    document = inference_export({"entryScript": "a.py"}, environment, studio_image=STUDIO)
    found = inference_import(document)[0]["environment"]
    assert (found["baseImage"], found["dockerSteps"]) == ("python:3.11", ["RUN a", "ENV B=1"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("entryScript", "environment", "python", "docker", "condaDependencies"),
                        *(
                            "dependencies",
                            "pip",
                            "baseImage",
                            "condaFile",
                            "baseDockerfile",
                            "name",
                        ),
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        inference_import(value, FILES)
    except Invalid as problem:
        if not problem.fields:
            raise
