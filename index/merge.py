"""Hits of several questions -> one list."""

from collections.abc import Sequence
from dataclasses import replace

from index.records import Hit
from index.twins import Wording, alike, wording


def merged(found: Sequence[Sequence[Hit]], k: int) -> tuple[Hit, ...]:
    """The `k` best hits of all that several questions found: a passage stands here once, with its best score, and passages of
    other entries that say the same are folded into the best of them, as in each list.
    """
    best: dict[int, Hit] = {}
    for hit in (hit for hits in found for hit in hits):
        if hit.passage.id not in best or hit.score > best[hit.passage.id].score:
            best[hit.passage.id] = hit
    shown: list[tuple[Hit, Wording]] = []
    for hit in sorted(best.values(), key=lambda hit: (-hit.score, hit.passage.id)):
        entry, said = hit.passage.entry.id, wording(hit.passage.text)
        twin = next((n for n, (one, other) in enumerate(shown) if one.passage.entry.id != entry and alike(other, said)), None)
        if twin is not None:
            one, other = shown[twin]
            shown[twin] = replace(one, twins=tuple(dict.fromkeys((*one.twins, entry)))), other
        elif len(shown) < k:
            shown.append((hit, said))
    return tuple(replace(hit, rank=rank) for rank, (hit, _) in enumerate(shown, start=1))
