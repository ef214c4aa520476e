"""How much a parameter tells about a metric, over the runs that are compared. Pure.

The measure is the epsilon squared of Kruskal and Wallis, corrected for the number of groups: the
runs are grouped by the parameter's value (a number with many values in groups of equal size), and
it says which share of the variance of the metric's ranks lies between the groups. 0: the parameter
tells nothing, 1: it decides the order of the runs. Ranks make it deaf to outliers and to any scale,
and the correction to a parameter with a value per run. It looks at one parameter at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

FEWEST_RUNS = 6  # with fewer, any parameter can look important
FEWEST_SURE = 20  # with fewer the page calls it a hint
FEWEST_PER_GROUP = 3
MOST_GROUPS = 8
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Importance:
    """What a parameter tells about a metric.

    `share` is 0 to 1. `trend` is Spearman's rank correlation, -1 to 1, for parameters that are
    numbers; None for others. `chance` is how often a parameter that tells nothing would look at
    least as important (Kruskal-Wallis). `runs` have both values, in `values` different ones.
    """

    parameter: str
    share: float
    trend: float | None
    chance: float
    runs: int
    values: int


def number_parse(text: str) -> float | None:
    """The number that a parameter's text is; None for any other text, and for infinity."""
    clean = text.strip()
    if not NUMBER.fullmatch(clean):
        return None
    value = float(clean)
    return value if math.isfinite(value) else None


def importances(
    parameters: Mapping[str, Sequence[str | None]], metric: Sequence[float | None]
) -> list[Importance]:
    """The importance of each parameter, the most important first.

    Args:
        parameters: per name a value of each run, None where a run has none.
        metric: of the same runs in the same order. Values that are not numbers do not count.
    Returns: those that at least FEWEST_RUNS runs have and that vary over these; the others tell
        nothing and are left out.
    """
    found = [importance(name, values, metric) for name, values in parameters.items()]
    known = [item for item in found if item is not None]
    return sorted(known, key=lambda item: (-item.share, item.chance, item.parameter))


def importance(
    name: str, values: Sequence[str | None], metric: Sequence[float | None]
) -> Importance | None:
    """The importance of one parameter; None when there is nothing to tell it from."""
    pairs = [
        (value, number)
        for value, number in zip(values, metric, strict=True)
        if value is not None and number is not None and not math.isnan(number)
    ]
    different = len({value for value, _number in pairs})
    if len(pairs) < FEWEST_RUNS or different < 2:
        return None
    ranked = ranks([number for _value, number in pairs])
    numbers = [number_parse(value) for value, _number in pairs]
    known = [number for number in numbers if number is not None]
    is_number = len(known) == len(pairs)
    groups: Sequence[Hashable] = (
        groups_of(known) if is_number else [value for value, _number in pairs]
    )
    share, chance = kruskal(groups, ranked)
    trend = correlation(ranks(known), ranked) if is_number else None
    return Importance(name, share, trend, chance, len(pairs), different)


def ranks(values: Sequence[float]) -> list[float]:
    """Places from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            found[place] = (start + end) / 2 + 1
        start = end + 1
    return found


def groups_of(values: Sequence[float]) -> list[int]:
    """A group per value while they are few, else groups of about equal size by order.

    Equal values are never parted.
    """
    distinct = sorted(set(values))
    most = max(2, min(MOST_GROUPS, len(values) // FEWEST_PER_GROUP))
    if len(distinct) <= most:
        return [distinct.index(value) for value in values]
    return [int((rank - 0.5) * most / len(values)) for rank in ranks(values)]


def kruskal(groups: Sequence[Hashable], ranked: Sequence[float]) -> tuple[float, float]:
    """(corrected epsilon squared, chance) of values by their ranks in groups.

    The share is (H - k + 1) / (n - k) with H corrected for ties, at least 0 and at most 1. With
    one group, with a group for each value, or with equal ranks there is nothing to tell: (0, 1).
    """
    members: dict[Hashable, list[float]] = {}
    for group, rank in zip(groups, ranked, strict=True):
        members.setdefault(group, []).append(rank)
    n, k = len(ranked), len(members)
    middle = (n + 1) / 2
    whole = sum((rank - middle) ** 2 for rank in ranked)
    if k < 2 or n <= k or not whole:
        return 0.0, 1.0
    between = sum(
        len(found) * (sum(found) / len(found) - middle) ** 2 for found in members.values()
    )
    h = (n - 1) * between / whole
    share = min(max((h - k + 1) / (n - k), 0.0), 1.0)
    return share, chi_square_tail(h, k - 1)


def correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Pearson's correlation, of ranks Spearman's; None when one side does not vary."""
    n = len(left)
    mean_left, mean_right = sum(left) / n, sum(right) / n
    both = sum((a - mean_left) * (b - mean_right) for a, b in zip(left, right, strict=True))
    spread = math.sqrt(
        sum((a - mean_left) ** 2 for a in left) * sum((b - mean_right) ** 2 for b in right)
    )
    return max(-1.0, min(1.0, both / spread)) if spread else None


def chi_square_tail(value: float, degrees: int) -> float:
    """The probability that a chi-squared variable is at least `value`.

    The regularised upper incomplete gamma function: a series for small values, a continued
    fraction (Lentz) for large ones.
    """
    a, x = degrees / 2, value / 2
    if x <= 0:  # the half of the smallest number is zero
        return 1.0
    front = math.exp(-x + a * math.log(x) - math.lgamma(a))
    if x < a + 1:
        return min(max(1.0 - front * _series(a, x), 0.0), 1.0)
    return min(max(front * _fraction(a, x), 0.0), 1.0)


def _series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for n in range(1, 1_000):
        term *= x / (a + n)
        total += term
        if term < total * 1e-15:
            break
    return total


def _fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1e300, 1 / b
    found = d
    for n in range(1, 1_000):
        factor = -n * (n - a)
        b += 2
        d = 1 / (factor * d + b or 1e-300)
        c = b + factor / c or 1e-300
        step = d * c
        found *= step
        if abs(step - 1) < 1e-15:
            break
    return found
