"""Which value of a metric is the best, by the words in its name alone. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

_WORDS = (
    "loss losses error errors err rmse mse mae mape smape msle rmsle medae wape mase rmspe "
    "deviance logloss crossentropy entropy perplexity ppl nll divergence distance wer cer fid "
    "brier hinge latency duration time seconds ms fpr fnr eer"
)
LOWER = frozenset(_WORDS.split(" "))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def mode_of(metric: str) -> str:
    """Give "min" where smaller is better, as of a loss or an error; else "max".

    “neg_…” turns it round, as scikit-learn's scorers do: val_loss is min, neg_mse is max.
    """
    words = [word.lower() for word in _WORD.findall(metric)]
    joined = {first + second for first, second in pairwise(words)}
    is_lower = bool(LOWER & ({*words} | joined))
    is_negated = bool({"neg", "negative", "negated"} & {*words})
    return "min" if is_lower and not is_negated else "max"
