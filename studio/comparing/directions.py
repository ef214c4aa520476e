"""Whether a metric is better when it is higher or when it is lower. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

MODES = ("min", "max")
_LOWER = """
loss error err rmse mse mae mape smape rmsle msle mdae logloss perplexity ppl wer cer fid
latency time duration seconds nll brier ece divergence kl bce regret cost hamming
deviance rss sse bic aic fpr fnr
"""
_HIGHER = """
acc accuracy auc auroc auprc roc f1 f2 fbeta precision recall r2 score iou dice map ndcg mrr
bleu rouge meteor kappa mcc reward throughput correlation specificity sensitivity tpr tnr
likelihood explained hits gini
"""
LOWER, HIGHER = frozenset(_LOWER.split()), frozenset(_HIGHER.split())
WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")


def mode_of(metric: str) -> str:
    """ "min" or "max" where the words of the name say so; "" where they do not, or disagree."""
    words = {word.lower() for word in WORD.findall(metric)}
    words |= {word.rstrip("0123456789") for word in words} - {"f", "r"}
    low, high = bool(words & LOWER), bool(words & HIGHER)
    if low == high:
        return ""
    return "min" if low else "max"


def modes_of(
    metrics: Iterable[str], low: Sequence[str] = (), high: Sequence[str] = (), best: str = ""
) -> dict[str, str]:
    """Per metric what is better; what a person chose holds before what the name says.

    Args:
        low, high: metrics of which somebody said in the address that lower or higher is better.
        best: the experiment's choice, as "min:NAME" or "max:NAME"; "" for none.
    """
    mode, _colon, chosen = best.partition(":")
    found = {}
    for metric in metrics:
        if metric in low:
            found[metric] = "min"
        elif metric in high:
            found[metric] = "max"
        else:
            found[metric] = mode if chosen and metric == chosen else mode_of(metric)
    return found


def best_of(values: Mapping[str, float], mode: str) -> set[str]:
    """Keys of the best values, all of them when several are; none where nothing can be better.

    Values that are not numbers never win, and nothing wins where all values are the same.
    """
    known = {key: value for key, value in values.items() if not math.isnan(value)}
    if mode not in MODES or len(set(known.values())) < 2:
        return set()
    wanted = min(known.values()) if mode == "min" else max(known.values())
    return {key for key, value in known.items() if value == wanted}
