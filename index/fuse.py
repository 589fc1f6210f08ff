"""Several rankings -> one."""

import math
from collections.abc import Mapping

import numpy as np

from index.records import Ranking

LEXICAL_WEIGHT = 0.03
"""How much a point of log BM25 adds to a cosine. Chosen on the development sets: see ARCHITECTURE.md."""


def fuse(dense: Mapping[int, float], lexical: Mapping[int, float]) -> Ranking:
    """Rank passages by cosine + LEXICAL_WEIGHT * ln(1 + BM25).

    `dense` has the cosine of every passage to be ranked; `lexical` the BM25 score of those that hold a term of the question.
    The logarithm bounds what many rare words in common can outweigh; where there are none, the cosine alone decides, which is
    what a question in the other language needs.

    >>> fuse({1: 0.80, 2: 0.85}, {1: 6.389})  # 0.80 + 0.03 * ln(7.389) = 0.86
    Ranking([(1, 0.86), (2, 0.85)])
    """
    ids = np.fromiter(dense, dtype=np.int64, count=len(dense))
    scores = np.array(
        [cosine + LEXICAL_WEIGHT * math.log1p(lexical.get(i, 0.0)) for i, cosine in dense.items()], dtype=np.float32
    )
    return Ranking.best(ids, scores)
