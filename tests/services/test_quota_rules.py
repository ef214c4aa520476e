"""The rules of a quota, without a database: what is allowed, what is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring.configuration import DeploymentConfiguration
from deployments.configuring.quota_rules import (
    RESOURCE_FIELDS,
    SLACK,
    Ask,
    Limits,
    ask_of,
    quantity,
    sentences,
    shortages,
)

cpus = st.integers(1, 40).map(lambda tenths: tenths / 10)
asks = st.builds(Ask, services=st.just(1), cpu=cpus, memory_mb=st.integers(64, 8192))
limits = st.builds(
    Limits,
    services=st.none() | st.integers(0, 5),
    cpu=st.none() | cpus,
    memory_mb=st.none() | st.integers(0, 16_384),
)
changes = st.lists(st.tuples(st.integers(0, 5), st.none() | asks), max_size=25)


def together(asked: dict[int, Ask]) -> Ask:
    return sum(asked.values(), Ask())


def within(allowed: Limits, used: Ask, before: Ask) -> bool:
    """Nothing is above its limit that was not as high before."""
    for resource in RESOURCE_FIELDS:
        limit, now = getattr(allowed, resource), getattr(used, resource)
        if limit is not None and now > max(limit, getattr(before, resource)) + 2 * SLACK:
            return False
    return True


@given(limits, changes)
def test_after_accepted_asks_no_more_is_used_than_allowed(
    allowed: Limits, steps: list[tuple[int, Ask | None]]
) -> None:
    services: dict[int, Ask] = {}
    for who, ask in steps:
        others = together({name: item for name, item in services.items() if name != who})
        if ask is None:
            services.pop(who, None)
        elif not shortages(allowed, others, ask, services.get(who)):
            services[who] = ask
        assert within(allowed, together(services), Ask())


@given(st.dictionaries(st.integers(0, 5), asks, max_size=6), limits, changes)
def test_a_limit_below_what_is_used_lets_nothing_grow(
    services: dict[int, Ask], allowed: Limits, steps: list[tuple[int, Ask | None]]
) -> None:
    for who, ask in steps:
        before = together(services)
        others = together({name: item for name, item in services.items() if name != who})
        if ask is not None and not shortages(allowed, others, ask, services.get(who)):
            services[who] = ask
            assert within(allowed, together(services), before)


@given(limits, asks, asks)
def test_asking_for_no_more_than_before_is_always_allowed(
    allowed: Limits, others: Ask, ask: Ask
) -> None:
    assert shortages(allowed, others, ask, held=ask) == []


@given(asks, asks)
def test_without_limits_everything_is_allowed(others: Ask, ask: Ask) -> None:
    assert shortages(Limits(), others, ask) == []


def test_ten_times_a_tenth_is_one_core() -> None:
    others = together(dict.fromkeys(range(9), Ask(1, 0.1, 64)))
    assert shortages(Limits(cpu=1), sum([Ask(1, 0.1, 64)] * 9, Ask()), Ask(1, 0.1, 64)) == []
    assert shortages(Limits(cpu=1), others + Ask(1, 0.1, 64), Ask(1, 0.1, 64))


def test_replicas_are_counted() -> None:
    wish = DeploymentConfiguration(cpu=0.5, memory_mb=300, replicas=3)
    assert ask_of(wish) == Ask(1, 1.5, 900)


@pytest.mark.parametrize(
    ("allowed", "others", "said"),
    [
        (
            Limits(cpu=4),
            Ask(2, 3.5, 100),
            "Target local allows 4 CPU for all services; the others take 3.5 and this one asks "
            "for 1.",
        ),
        (
            Limits(memory_mb=4096),
            Ask(2, 1, 3072),
            "Target local allows 4096 MB of memory for all services; the others take 3072 MB and "
            "this one asks for 2048 MB.",
        ),
        (Limits(services=2), Ask(2), "Target local allows 2 services; the others are 2 already."),
        (Limits(services=1), Ask(3), "Target local allows 1 service; the others are 3 already."),
        (Limits(services=0), Ask(), "Target local allows no services."),
    ],
)
def test_a_shortage_is_a_sentence(allowed: Limits, others: Ask, said: str) -> None:
    assert sentences("local", shortages(allowed, others, Ask(1, 1.0, 2048))) == said


def test_every_shortage_is_said() -> None:
    found = shortages(Limits(services=0, cpu=0.5, memory_mb=64), Ask(), Ask(1, 1, 128))
    assert [item.resource for item in found] == ["services", "cpu", "memory_mb"]
    assert sentences("local", found).count("Target local allows") == 3


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (3.5, "3.5"), (0.1 + 0.2, "0.3"), (1_000_000_000, "1000000000")]
)
def test_a_number_is_written_as_people_write_it(value: float, text: str) -> None:
    assert quantity(value) == text
