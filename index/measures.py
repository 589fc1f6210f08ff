"""How good a ranking is, given judgements: each measure for one question, from the ranked ids and the grades.

Judgements map the ids of relevant items to grades of 1 and more. All measures lie between 0 and 1.
"""

import bisect
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

Grades = Mapping[str, int]


def ndcg(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """Normalised discounted cumulative gain with gain 2^grade - 1 and discount log2(rank + 1) (Burges et al., 2005).

    >>> round(ndcg(["a", "b", "c"], {"b": 1}), 4)  # 1 / log2(3)
    0.6309
    """
    gained = sum((2 ** grades.get(item, 0) - 1) / math.log2(place + 2) for place, item in enumerate(ranked[:k]))
    ideal = sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(sorted(grades.values(), reverse=True)[:k]))
    return gained / ideal if ideal else 0.0


def recall(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """The share of the relevant items among the first `k`, of as many as fit there.

    >>> recall(["a", "b", "c"], {"b": 1, "z": 2})
    0.5
    """
    relevant = sum(grade > 0 for grade in grades.values())
    return sum(grades.get(item, 0) > 0 for item in ranked[:k]) / min(k, relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """One over the place of the first relevant item among the first `k`; 0 when there is none.

    >>> reciprocal_rank(["a", "b"], {"b": 1})
    0.5
    """
    return next((1 / place for place, item in enumerate(ranked[:k], start=1) if grades.get(item, 0) > 0), 0.0)


def hit(ranked: Sequence[str], grades: Grades, k: int = 1) -> float:
    """Whether any of the first `k` is relevant.

    >>> hit(["a", "b"], {"b": 1}), hit(["b", "a"], {"b": 1})
    (0.0, 1.0)
    """
    return float(any(grades.get(item, 0) > 0 for item in ranked[:k]))


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """How likely one of the `right` is above one of the `wrong`, ties counting half; one half when either is empty.

    The area under the receiver operating characteristic (Hanley and McNeil, 1982).

    >>> auroc([0.9, 0.4], [0.5, 0.4])
    0.625
    """
    if not right or not wrong:
        return 0.5
    ordered = sorted(wrong)
    above = sum(bisect.bisect_left(ordered, value) + bisect.bisect_right(ordered, value) for value in right)
    return above / (2 * len(right) * len(ordered))


def holds_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the `answers` stands in `text`, whatever its capitals and white space, and not within another word.

    >>> holds_answer("Il y a 112 communes à  Paris.", ["12", "paris"]), holds_answer("Il y a 112 communes.", ["12"])
    (True, False)
    """
    said = _plain(text)
    return any(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", said) for answer in (_plain(one) for one in answers) if answer)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())
