"""Which passages of a ranking are shown, and what is said of each? Wire copy is shown once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embed.stages import stage
from index.evidence import Votes
from index.highlight import highlights, wanted_terms
from index.quotes import Sentence
from index.records import Hit, Passage, Ranking, Vote
from index.store_view import StoreView
from index.twins import Wording, alike, wording


@dataclass(frozen=True)
class Ranked:
    """A fused ranking and those it came from; ids, not yet passages. `unread` has the scores that its passages had before the
    best were read again (`index.reread`), and `sentences` what was read of them.
    """

    fused: Ranking
    votes: Votes
    unread: Ranking
    sentences: Mapping[int, Sequence[Sentence]] = field(default_factory=dict)


@dataclass
class Shown:
    """A passage that becomes a hit, and the ids of the entries that were folded into it."""

    passage: Passage
    score: float
    said: Wording
    twins: list[str] = field(default_factory=list)


@dataclass
class Picked:
    """What a page shows; the ids of the passages that were folded, and of these the entries, with the id of its passage, that
    say what an earlier page showed.
    """

    shown: list[Shown] = field(default_factory=list)
    folded: list[int] = field(default_factory=list)
    passed: list[tuple[str, int]] = field(default_factory=list)


@stage("read")
def shown_before(store: StoreView, ids: Sequence[int]) -> list[Shown]:
    """What earlier pages showed, in their order."""
    passages = store.passages(ids)
    return [Shown(passages[i], 0.0, wording(passages[i].text)) for i in ids]


@stage("read")
def pick(store: StoreView, fused: Ranking, k: int, earlier: Sequence[Shown] = ()) -> Picked:
    """The best `k` passages of a ranking, those of other entries that say the same folded into the first of them."""
    picked = Picked()
    order = list(fused)
    for at in range(0, len(order), k):
        some = order[at : at + k]
        passages = store.passages([i for i, _ in some])
        for i, score in some:
            passage = passages[i]
            said = wording(passage.text)
            if twin := _twin(passage, said, picked.shown):
                twin.twins.append(passage.entry.id)
                picked.folded.append(i)
            elif twin := _twin(passage, said, earlier):
                picked.passed.append((passage.entry.id, twin.passage.id))
                picked.folded.append(i)
            elif len(picked.shown) < k:
                picked.shown.append(Shown(passage, score, said))
        if len(picked.shown) >= k:
            break
    return picked


@stage("read")
def hits(text: str, lang: str, picked: Picked, rankings: Sequence[Ranked], before: int = 0) -> tuple[Hit, ...]:
    """What was picked, with the votes of the ranking that it comes from and the places of the words of `text`, which is in
    `lang`; ranks go on from `before`.
    """
    wanted = wanted_terms(text, lang)
    votes: dict[int, dict[str, Vote]] = {one.passage.id: {} for one in picked.shown}
    unread: dict[int, float] = {}
    for ranked in rankings:
        own = ranked.fused.ids[np.isin(ranked.fused.ids, list(votes))]
        unread.update((i, score) for i, score in ranked.unread.among(own))
        for name, ranking in ranked.votes.items():
            places = np.flatnonzero(np.isin(ranking.ids, own))
            said = zip(places.tolist(), ranking.ids[places].tolist(), ranking.scores[places].tolist(), strict=True)
            for place, i, score in said:
                votes[i][name] = Vote(place + 1, score)
    return tuple(
        Hit(
            rank,
            one.passage,
            one.score,
            votes[one.passage.id],
            tuple(dict.fromkeys(one.twins)),
            tuple(highlights(one.passage.text, one.passage.entry.lang, wanted)),
            unread[one.passage.id],
        )
        for rank, one in enumerate(picked.shown, start=before + 1)
    )


def _twin(passage: Passage, said: Wording, shown: Sequence[Shown]) -> Shown | None:
    return next((one for one in shown if one.passage.entry.id != passage.entry.id and alike(one.said, said)), None)
