"""TREC runs: rankings as the scoring tools of information retrieval read them."""

from collections.abc import Iterable, Iterator

from index.errors import InvalidRequest

_STEP = 1e-6
"""What the single precision that trec_eval reads scores in can still tell."""


def run_lines(question_id: str, ranked: Iterable[tuple[str, float]], tag: str = "filrouge") -> Iterator[str]:
    """The lines of one question, `question Q0 item rank score tag`, from its items with their scores, best first.

    >>> list(run_lines("q1", [("a", 0.5), ("b", 0.5)]))
    ['q1 Q0 a 1 0.5000000 filrouge\\n', 'q1 Q0 b 2 0.4999990 filrouge\\n']

    Scores fall strictly as ranks rise, since scoring tools sort by score and break ties in their own ways: neighbours are
    at least a millionth apart. Raises `InvalidRequest` for a question's id that is empty or holds white space.
    """
    check_run_id(question_id)
    last = float("inf")
    for rank, (item, score) in enumerate(ranked, start=1):
        last = min(score, last - _STEP)
        yield f"{question_id} Q0 {item} {rank} {last:.7f} {tag}\n"


def check_run_id(question_id: str) -> None:
    """Raise `InvalidRequest` for what cannot be a question's id in a run: white space parts its columns."""
    if question_id.split() != [question_id]:
        raise InvalidRequest(f"'{question_id}' cannot be the id of a question in a TREC run: write it without spaces", "qid")
