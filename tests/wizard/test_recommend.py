"""Help me choose: the formula, the order, and that nothing is hidden."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring.quota_rules import Ask, Limits
from deployments.pages import wizard_table as table
from deployments.pages.wizard import Answers, TargetFacts, recommend, size

LOCAL = TargetFacts("local", "local", memory_total_mb=16_000, memory_free_mb=8_000)
DOCKER = TargetFacts("docker", "docker", memory_total_mb=16_000, memory_free_mb=8_000)


def words(choices: tuple[tuple[str, object], ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([value for value, _label in choices])


answers = st.builds(
    Answers,
    mode=words(table.MODES),
    callers=words(table.CALLERS),
    requests_per_second=st.floats(0.001, 1e6),
    seconds_per_request=st.floats(1e-6, 3600),
    concurrency=st.integers(1, 64),
    memory_mb=st.none() | st.floats(1, 1e6),
    accelerator=words(table.ACCELERATORS),
    survive=words(table.SURVIVALS),
    purpose=words(table.PURPOSES),
    authentication=words(table.AUTHENTICATIONS),
    trusted=st.booleans(),
)
memory = st.none() | st.floats(0, 1e6)
facts = st.builds(
    TargetFacts,
    name=st.text("abc", min_size=1, max_size=3),
    kind=st.sampled_from(["local", "docker", "kubernetes", "fake"]),
    ready=st.booleans(),
    problems=st.just(()) | st.just(("{It} does not answer.",)),
    memory_total_mb=memory,
    memory_free_mb=memory,
)
fleets = st.lists(facts, max_size=5, unique_by=lambda item: item.name)


@given(answers, fleets)
def test_no_target_and_no_kind_is_hidden(need: Answers, targets: list[TargetFacts]) -> None:
    ranked = recommend(need, targets)
    shown = {item.target for item in ranked if item.target}
    assert shown == {item.name for item in targets}
    assert {item.kind.kind for item in ranked} == set(table.KINDS) | {t.kind for t in targets}
    assert [item.rank for item in ranked] == list(range(1, len(ranked) + 1))


@given(answers, fleets)
def test_what_does_not_fit_is_never_above_what_fits(
    need: Answers, targets: list[TargetFacts]
) -> None:
    fits = [item.fits for item in recommend(need, targets)]
    assert fits == sorted(fits, reverse=True)


@given(answers, fleets)
def test_what_does_not_fit_says_why(need: Answers, targets: list[TargetFacts]) -> None:
    for item in recommend(need, targets):
        assert item.fits or item.reasons_against
        assert not (item.fits and item.target is None)


@given(answers, fleets, st.randoms(use_true_random=False))
def test_the_order_of_the_targets_changes_nothing(need, targets, random) -> None:
    shuffled = list(targets)
    random.shuffle(shuffled)
    assert recommend(need, targets) == recommend(need, shuffled)


@given(answers)
def test_replicas_and_memory_follow_the_formula(need: Answers) -> None:
    sizing = size(need)
    exact = need.requests_per_second * need.seconds_per_request / 0.7 / need.concurrency
    assert 1 <= sizing.replicas <= 100_000
    assert sizing.replicas >= min(exact, 100_000) - 1e-6
    assert sizing.replicas - 1 < exact + 1e-6
    assert sizing.memory_mb == max(1024, math.ceil((need.memory_mb or 0) * 1.5))


def test_the_formula_in_numbers() -> None:
    need = Answers(requests_per_second=100, seconds_per_request=0.05, memory_mb=2000)
    assert size(need).replicas == 8  # 5 busy / 0.7 = 7.14
    assert size(need).memory_mb == 3000
    assert size(replace(need, concurrency=4)).replicas == 2
    assert size(Answers(requests_per_second=0.7, seconds_per_request=1)).replicas == 1


def first(need: Answers, *targets: TargetFacts) -> str | None:
    best = recommend(need, targets)[0]
    return best.target if best.fits else None


def test_development_goes_to_the_local_process() -> None:
    assert first(Answers(purpose="development"), LOCAL, DOCKER) == "local"


def test_production_goes_to_docker() -> None:
    assert first(Answers(purpose="production"), LOCAL, DOCKER) == "docker"


def test_an_untrusted_model_never_fits_a_target_without_isolation() -> None:
    ranked = recommend(Answers(trusted=False), [LOCAL, DOCKER])
    assert [(item.target, item.fits) for item in ranked[:2]] == [("docker", True), ("local", False)]
    assert any("studio's data" in text for text in ranked[1].reasons_against)


def test_a_target_that_is_away_does_not_fit_and_says_what_to_mend() -> None:
    away = replace(DOCKER, ready=False, problems=("Start Docker.",))
    ranked = recommend(Answers(purpose="production"), [LOCAL, away])
    assert ranked[0].target == "local"
    docker = next(item for item in ranked if item.target == "docker")
    assert docker.reasons_against[0] == "Start Docker."


def test_batch_fits_no_service_target() -> None:
    assert first(Answers(mode="batch"), LOCAL, DOCKER) is None


def test_a_gpu_fits_nothing_that_exists_here() -> None:
    ranked = recommend(Answers(accelerator="gpu"), [LOCAL, DOCKER])
    assert not any(item.fits for item in ranked)


def test_more_replicas_than_a_target_runs_do_not_fit() -> None:
    need = Answers(requests_per_second=100, seconds_per_request=0.05)
    local = next(item for item in recommend(need, [LOCAL]) if item.target == "local")
    assert not local.fits
    assert local.replicas == 8
    assert local.configuration["numReplicas"] == 1


def test_a_model_larger_than_the_machine_does_not_fit() -> None:
    local = next(i for i in recommend(Answers(memory_mb=20_000), [LOCAL]) if i.target == "local")
    assert not local.fits
    assert local.configuration["containerResourceRequirements"]["memoryInGB"] == 29.3


def test_kinds_that_are_not_here_say_what_they_would_need() -> None:
    missing = {item.kind.kind: item for item in recommend(Answers(), [LOCAL, DOCKER])}
    for kind in ("kubernetes", "aci"):
        assert missing[kind].target is None
        assert "It would need" in missing[kind].reasons_against[0]


def test_a_target_whose_quota_has_no_room_is_not_recommended_and_says_why() -> None:
    full = replace(LOCAL, limits=Limits(cpu=4), used=Ask(4, 3.5, 4096))
    ranked = recommend(Answers(), [full, DOCKER])
    assert ranked[0].target == "docker"
    (found,) = [item for item in ranked if item.target == "local"]
    assert not found.fits
    said = (
        "Target local allows 4 CPU for all services; the others take 3.5 and this one asks for 1."
    )
    assert said in found.reasons_against


def test_a_quota_with_room_is_a_reason_but_no_merit() -> None:
    roomy = replace(LOCAL, limits=Limits(services=9), used=Ask(1, 1, 1024))
    (one,) = [item for item in recommend(Answers(), [roomy]) if item.target]
    (other,) = [item for item in recommend(Answers(), [LOCAL]) if item.target]
    assert "Its quota has room for the service." in one.reasons_for
    assert (one.fits, one.score) == (other.fits, other.score)
