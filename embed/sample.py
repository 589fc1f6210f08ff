"""French and English texts put together by lot from `sample.txt`: for calibration, checks and benchmarks.

The sentences are our own, of the kinds that people index: news, live entries, encyclopedia, manuals, questions. They say
nothing true.
"""

import random
from functools import cache
from importlib.resources import files


@cache
def _sentences() -> list[str]:
    return files("embed").joinpath("sample.txt").read_text(encoding="utf-8").splitlines()


def sample_texts(count: int, seed: int = 1, lengths: tuple[int, ...] = (1, 2, 4, 7)) -> list[str]:
    """`count` texts of as many sentences as one of `lengths`, in one language each; the same for the same arguments.

    A sentence has 27 tokens of the default model in the mean.

    >>> sample_texts(2) == sample_texts(2), sample_texts(2) == sample_texts(2, seed=2)
    (True, False)
    """
    lot = random.Random(seed)
    sentences = _sentences()
    # The French ones come first.
    half = len(sentences) // 2
    return [
        " ".join(lot.sample((sentences[:half], sentences[half:])[number % 2], lot.choice(lengths))) for number in range(count)
    ]
