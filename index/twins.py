"""Which passages say the same? Wire copy stands in many live blogs, with a comma more or a name corrected."""

import re

from index.terms import fold

ALIKE = 0.9
"""Of the different words of two texts, the share that both have (Jaccard, 1901), from which on they are twins."""

Wording = frozenset[str]


def wording(text: str) -> Wording:
    """The different words of a text, as `alike` compares them; a text without words is itself.

    >>> sorted(wording("Une armée tire, TIRE !"))
    ['armée', 'tire', 'une']
    """
    # Runs of letters will do to tell texts apart, and are found many times faster than words.
    return frozenset(re.findall(r"\w+", fold(text))) or frozenset([text.strip()])


def likeness(one: Wording, other: Wording) -> float:
    """Of the different words of two texts, the share that both have.

    >>> likeness(wording("Un drone abattu."), wording("Un drone"))
    0.6666666666666666
    """
    return len(one & other) / len(one | other)


def alike(one: Wording, other: Wording) -> bool:
    """Whether two texts say the same.

    >>> alike(wording("Un drone abattu."), wording("« Un drone abattu »")), alike(wording("Un drone"), wording("Deux drones"))
    (True, False)
    """
    return likeness(one, other) >= ALIKE
