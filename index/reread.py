"""The best passages, read again sentence by sentence: where a time, a number, a place or a person is asked for, the one whose
sentence gives it comes first.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from index.confidence import SENTENCE, logit, odds
from index.evidence import Asked
from index.question import Kind, kind_of
from index.quotes import Sentence, Sought, by_passage, read
from index.reader import Snapshot
from index.records import Ranking

READ = 10
"""Passages that are read."""
WEIGHT = 0.3
"""How much the best sentence of a passage counts, of what it counts for when it is quoted."""


def reread(asked: Asked, ranking: Ranking, snapshot: Snapshot) -> tuple[Ranking, Mapping[int, Sequence[Sentence]]]:
    """The ranking with its first READ passages in the order that their sentences speak for; and these, by passage.

    The scores stay where they are, the best with the first: reading tells passages apart, and not how likely it is that any of
    them answers. Any other question is asked of a passage as a whole, and its ranking stays as it is.
    """
    if kind_of(asked.text, asked.lang) is Kind.OTHER:
        return ranking, {}
    ids, scores = ranking.ids[:READ], ranking.scores[:READ]
    passages = snapshot.store.passages(ids.tolist())
    first = [(passages[i], score) for i, score in Ranking(ids, scores)]
    sentences = by_passage(read(asked, Sought.of(asked, snapshot), first, snapshot))
    said = {
        passage.id: max([0.0, *(odds(one) - SENTENCE.passage * logit(one.score) for one in sentences.get(passage.id, ()))])
        for passage, _ in first
    }
    # Rounded, so that noise in the last digits never changes the order.
    values = np.round([logit(score) + WEIGHT * said[passage.id] for passage, score in first], 4)
    order = np.argsort(-values, kind="stable")
    return Ranking(np.concatenate([ids[order], ranking.ids[READ:]]), ranking.scores), sentences
