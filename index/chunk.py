"""Entry to passages, offsets kept.

A passage is a run of whole sentences that the model can read at once, together with the entry's title, which the vector
sees as context and the offsets never do. An entry that needs several gets passages of about equal length, so that none is a
scrap.
"""

import math
from collections.abc import Callable, Sequence

from index.sentences import Span, clauses, sentences

CountTokens = Callable[[Sequence[str]], list[int]]

PASSAGE_TOKENS = 128
"""The most tokens of text in a passage, where the model reads more. Chosen by measurement: see ARCHITECTURE.md."""
_RESERVE = 8
"""Tokens kept free for a model's prefix and special tokens, and for what title and text cost more together than apart."""
_HEADLINE = 200
"""Characters of a title that the model reads: one that is longer is a paragraph, and would take the room of the text."""


def context(title: str, text: str) -> str:
    """What the model reads of a passage: the entry's title, of a very long one the beginning, then the passage.

    >>> context("Le Kremlin réagit", "Il a dit non."), context("", "Il a dit non.")
    ('Le Kremlin réagit\\nIl a dit non.', 'Il a dit non.')
    """
    return f"{title[:_HEADLINE]}\n{text}" if title else text


def cut(title: str, text: str, count_tokens: CountTokens, token_limit: int) -> list[Span]:
    """Spans of `text` that cover every letter of it, in order, each within the limit together with its context.

    `token_limit` is the model's. A sentence longer than a passage is cut between clauses or words, and a word longer than a
    passage between letters. A title takes at most half of the limit; where it needs more, a model of few tokens does not see
    the end of the passage.

    >>> words = lambda texts: [len(text.split()) for text in texts]
    >>> text = "Un deux trois. Quatre cinq. Six sept huit neuf."
    >>> [text[a:b] for a, b in cut("", text, words, token_limit=14)]  # seven words are left for text
    ['Un deux trois. Quatre cinq.', 'Six sept huit neuf.']
    """
    usable = max(token_limit - _RESERVE, token_limit // 2, 1)
    title_tokens = min(count_tokens([title[:_HEADLINE]])[0], usable // 2) if title else 0
    budget = max(min(usable - title_tokens, PASSAGE_TOKENS), 1)
    spans = sentences(text)
    counts = count_tokens([text[start:end] for start, end in spans])
    pieces: list[tuple[Span, int]] = []
    for span, count in zip(spans, counts, strict=True):
        pieces.extend([(span, count)] if count <= budget else _shorten(text, span, count_tokens, budget))
    left = sum(count for _, count in pieces)
    runs: list[list[Span]] = []
    held, share = 0, 0.0
    for span, count in pieces:
        # A new passage begins where the next sentence would not fit, or would lie mostly beyond an equal share.
        if runs and held + count <= budget and held + count / 2 <= share:
            runs[-1].append(span)
            held += count
        else:
            runs.append([span])
            held = count
            # Of what is left: what short passages save would otherwise come together in a scrap at the end.
            share = left / max(math.ceil(left / budget), 1)
        left -= count
    return _fitting(text, runs, count_tokens, budget)


def _fitting(text: str, runs: Sequence[Sequence[Span]], count_tokens: CountTokens, budget: int) -> list[Span]:
    """Each run of sentences as one span; in two where the white space between them costs tokens too, and does not fit."""
    spans = [(run[0][0], run[-1][1]) for run in runs]
    joined = [span for span, run in zip(spans, runs, strict=True) if len(run) > 1]
    counts = dict(zip(joined, count_tokens([text[start:end] for start, end in joined]), strict=True)) if joined else {}
    found: list[Span] = []
    for span, run in zip(spans, runs, strict=True):
        if counts.get(span, 0) <= budget:
            found.append(span)
        else:
            middle = len(run) // 2
            found.extend(_fitting(text, [run[:middle], run[middle:]], count_tokens, budget))
    return found


def _shorten(text: str, span: Span, count_tokens: CountTokens, budget: int) -> list[tuple[Span, int]]:
    """A sentence over the budget, as pieces within it."""
    parts = clauses(text, *span)
    if len(parts) == 1:
        parts = _halves(text, span)
    counts = count_tokens([text[start:end] for start, end in parts])
    found: list[tuple[Span, int]] = []
    for part, count in zip(parts, counts, strict=True):
        if count <= budget or part[1] - part[0] == 1:
            found.append((part, count))
        else:
            found.extend(_shorten(text, part, count_tokens, budget))
    return found


def _halves(text: str, span: Span) -> list[Span]:
    """Cut in two near the middle: behind a clause, else between words, else between letters."""
    start, end = span
    middle = (start + end) // 2
    reach = max((end - start) // 4, 1)
    for marks in (";:", ",", None):
        places = [
            at + 1
            for at in range(max(start, middle - reach), min(end - 1, middle + reach))
            if (text[at] in marks if marks else text[at].isspace()) and (marks is None or text[at + 1].isspace())
        ]
        if places:
            middle = min(places, key=lambda at: abs(at - middle))
            break
    left = (start, start + len(text[start:middle].rstrip()))
    right = (end - len(text[middle:end].lstrip()), end)
    return [(a, b) for a, b in (left, right) if a < b]
