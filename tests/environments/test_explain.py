"""What uv says, in plain words."""

import pytest

from deployments.building.environments import explain

INDEX = "The package index does not answer; check the network and try again."


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because scikit-learm was not found in the package registry and you\n"
            "      require scikit-learm, we can conclude that …",
            "There is no package named scikit-learm.",
        ),
        (
            "Because there is no version of numpy==99.1 and you require numpy==99.1, we can …",
            "There is no version of numpy==99.1.",
        ),
        (
            "Because there are no versions of torch[cpu]>=9 and you require it",
            "There is no version of torch[cpu]>=9.",
        ),
        (
            "Because pkg==1.0 has no usable wheels and only pkg==1.0 is available, …\n"
            "hint: Wheels are required for `pkg` because building from source is disabled",
            "pkg==1.0 has no wheel for this Python and platform; only wheels are installed.",
        ),
        (
            "Because x was not found in the cache and you require x, we …\n"
            "hint: Packages were unavailable because the network was disabled.",
            INDEX,
        ),
        ("error: Failed to fetch: `https://…/simple/x/`\n  cause: operation timed out", INDEX),
        ("client error (Connect)\ncause: dns error", INDEX),
        (
            "error: failed to write: No space left on device (os error 28)",
            "The disk is full; free some space and try again.",
        ),
        ("", "The model's requirements cannot be installed: uv said nothing."),
        (
            "error: something that nobody foresaw",
            "The model's requirements cannot be installed: something that nobody foresaw",
        ),
    ],
)
def test_the_cause_is_named(said: str, sentence: str) -> None:
    assert explain(said.split("\n")) == sentence


def test_a_long_story_is_cut_to_its_end() -> None:
    assert len(explain(["word " * 5000])) < 700
