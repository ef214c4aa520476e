"""YAML whose loading would not end is refused at once; what people write is not."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry.facts import mlmodel_parse
from workspaces.errors import Invalid
from workspaces.yaml_guard import EndlessYaml, yaml_check

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=30,
)
ENDLESS = {
    "deep flow": "[" * 2_000_000,
    "deep mappings": "{a: " * 400_000,
    "deep block": "".join(" " * depth + "a:\n" for depth in range(1000)),
    "aliases": "a: &a [x, x]\n"
    + "".join(f"k{n}: &{'a' * (n + 2)} [*{'a' * (n + 1)}, *{'a' * (n + 1)}]\n" for n in range(40)),
    "itself": "a: &a [*a, *a]",
    "long": "- a\n" * 500_001,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_what_would_not_end_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(EndlessYaml):
        yaml_check(text)
    assert time.process_time() - began < 30


@given(PLAIN)
def test_what_yaml_itself_writes_is_taken(value: object) -> None:
    shared = {"one": value, "again": value}  # written as an anchor and its alias
    text = yaml.safe_dump(shared)
    yaml_check(text)
    yaml_check(text.encode())


@given(st.text(max_size=200))
def test_other_texts_fail_as_loading_them_does(text: str) -> None:
    try:
        yaml_check(text)
    except (yaml.YAMLError, ValueError):
        with pytest.raises((yaml.YAMLError, ValueError)):
            list(yaml.parse(text, Loader=yaml.BaseLoader))


def test_an_mlmodel_of_endless_depth_is_a_sentence() -> None:
    with pytest.raises(Invalid, match="not valid YAML"):
        mlmodel_parse(b"[" * 1_999_999)
