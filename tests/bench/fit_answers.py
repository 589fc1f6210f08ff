"""Fit the weights of `index.answer` on sets with answer spans and questions that have no answer, validate them between sets,
and print what they give.

    python tests/bench/fit_answers.py SET_DIR... [--outside queries_unanswerable.jsonl] [--questions 300]

Two things are fitted, each with few weights. Which sentence answers: a softmax over the sentences of the passages found for a
question, those that hold an answer in a judged passage against the others. Whether the best sentence answers at all: a logistic
regression over the judged questions of a set and those of its `queries_unanswerable.jsonl`, with those of `--outside`; a judged
question whose best sentence holds no answer counts as one without. "Left out" columns are measured with weights fitted on the
other sets. Nothing is written: put the weights into index/answer.py.

Questions of `--outside` with `"kind": "miracl"` are asked about encyclopedias, and left out where a set's name has `fr` or `en`
alone as its language and spans, as those sets are made of one.
"""

from index.question import Kind

SENTENCE_NAMES = ("passage", "words", "cover", *(kind.value for kind in Kind if kind is not Kind.OTHER))
TRUST_NAMES = ("passage", "lead", "words", "cover", "prior")
STRICT = "squad2_en"
"""Its unanswerable questions are made to look answerable by a passage that is there: they are told apart, and not fitted on."""
