"""What an answer looks like on the wire, and how one is asked for."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, Field

from api import wording
from api.schemas import (
    CardOut,
    HitOut,
    Narrowing,
    OperatorsOut,
    QuestionText,
    WindowOut,
    address,
    card_out,
    hit_out,
    is_literal,
    iso,
    operators_out,
)
from embed.stages import stage
from index.answer import Answer, Quote
from index.records import Window, published_text
from index.search import MAX_QUESTION


class Asking(Narrowing):
    """What narrows a question, and what it is seen from."""

    now: Annotated[
        str | None,
        Field(
            description="What *yesterday* and *on Tuesday* are seen from: an ISO 8601 time, or `newest` for the time of the "
            "newest entry; the present when it is not given.",
            examples=["2023-05-23T12:00:00+02:00", "newest"],
        ),
    ] = None

    times: Annotated[bool, Field(description="Whether times in the question narrow the search.")] = True

    threshold: Annotated[
        float | None,
        Field(ge=0, le=1, description="The confidence from which on the question counts as answered; else as set."),
    ] = None


class AskQuery(Asking):
    """The query string of `GET /ask`."""

    q: QuestionText


class AskBody(Asking):
    """The body of `POST /ask`."""

    question: Annotated[
        str,
        Field(
            max_length=MAX_QUESTION,
            validation_alias=AliasChoices("question", "query", "q"),
            description="A question, in French or English; `query` and `q` are understood too.",
            examples=["Qui a revendiqué l’attaque de Belgorod ?"],
        ),
    ]


class QuoteOut(BaseModel):
    """A sentence that answers: exactly the entry's text from `start` to `end`."""

    text: str
    entry_id: str
    passage_id: Annotated[int, Field(description="The passage that it stands in.")]
    start: Annotated[int, Field(description="Unicode code points from the beginning of the entry's text.")]
    end: int
    published: Annotated[
        str | None, Field(description="ISO 8601; a date alone where only the day is known; null where nothing is.")
    ]
    url: str | None
    title: Annotated[str, Field(description="The entry's title: who and where the sentence speaks of.")]
    source: str
    lang: str
    superseded: Annotated[
        str | None,
        Field(description="When the entry was edited and stopped saying so; null for what it says now."),
    ]


class PhraseOut(BaseModel):
    """Words of the question that mean a time."""

    text: str
    start: int
    end: int


class AskedWindowOut(BaseModel):
    """The window that was searched, and the time that the question speaks of."""

    since: Annotated[str | None, Field(description="Entries published at or after this were searched; null is open.")]
    until: Annotated[str | None, Field(description="Entries published before this were searched; null is open.")]
    asked: Annotated[WindowOut | None, Field(description="The window that the question's own words mean.")]
    phrases: Annotated[list[PhraseOut], Field(description="Those words, with their places in the question.")]
    names: Annotated[list[PhraseOut], Field(description="Words that look like a time and were taken for (part of) a name.")]
    relaxed: Annotated[
        Literal["empty", "unanswered", "future", "outside"] | None,
        Field(description="Why `asked` did not narrow the search; null when it did."),
    ]
    note: Annotated[str | None, Field(description="The same in words, in the question's language.")]


class AnswerOut(BaseModel):
    """What a question is answered with, and the passages that were found."""

    question: str
    operators: Annotated[OperatorsOut | None, Field(description="What of it is no plain word; null where all is.")]
    lang: Annotated[str, Field(description="The language that the question was taken to be in.")]
    answered: Annotated[bool, Field(description="Whether `confidence` reaches the threshold, for one question.")]
    confidence: Annotated[float, Field(description="The probability that the first quote answers, between 0 and 1.")]
    threshold: float
    answer: Annotated[list[QuoteOut], Field(description="One to three quotes, best first; none when it is not answered.")]
    reason: Annotated[str | None, Field(description="Why it is not answered, in the question's language.")]
    code: Annotated[
        Literal["not_in_corpus", "nothing_to_search", "not_a_question", "several_questions", "no_such_time"] | None,
        Field(description="The same for programs."),
    ]
    window: Annotated[AskedWindowOut | None, Field(description="Null when it was open and the question speaks of no time.")]
    now: Annotated[str, Field(description="What times in the question were seen from.")]
    as_of: Annotated[str | None, Field(description="The moment whose knowledge was searched; null for the newest.")]
    generation: Annotated[int, Field(description="The state of the index that was searched.")]
    known: Annotated[str | None, Field(description="When that state came to be.")]
    permalink: Annotated[
        str, Field(description="Answers the same whatever is indexed later, as long as the index keeps its model.")
    ]
    model: Annotated[str, Field(description="The embedding model.")]
    card: CardOut
    hits: Annotated[list[HitOut], Field(description="The passages that were found, best first.")]


@stage("render")
def answer_out(answer: Answer) -> AnswerOut:
    """An answer for the wire."""
    results = answer.results
    return AnswerOut(
        question=results.question,
        operators=operators_out(results.reading),
        lang=results.lang,
        answered=answer.answered,
        confidence=answer.confidence,
        threshold=answer.threshold,
        answer=[quote_out(quote) for quote in answer.quotes],
        reason=wording.reason(answer),
        code=answer.reason.value if answer.reason else None,
        window=_asked_window(answer),
        now=answer.now.isoformat(),
        as_of=iso(results.as_of),
        generation=results.generation,
        known=iso(results.known),
        permalink=_permalink(answer),
        model=results.card.name,
        card=card_out(results.card),
        hits=[hit_out(hit) for hit in results.hits],
    )


def _permalink(answer: Answer) -> str:
    results = answer.results
    asked = {
        "q": results.question,
        "k": results.k,
        "literal": is_literal(results.reading),
        "now": iso(answer.now),
        "threshold": answer.threshold,
        "times": None if answer.times else "false",
    }
    return address("/ask", asked, answer.given, results.known)


def quote_out(quote: Quote) -> QuoteOut:
    """A quote for the wire."""
    entry = quote.entry
    return QuoteOut(
        text=quote.text,
        entry_id=entry.id,
        passage_id=quote.passage_id,
        start=quote.start,
        end=quote.end,
        published=published_text(entry.published, entry.precision),
        url=entry.url,
        title=entry.title,
        source=entry.source,
        lang=entry.lang,
        superseded=iso(quote.superseded),
    )


def _asked_window(answer: Answer) -> AskedWindowOut | None:
    searched, narrowing = answer.results.filters.window, answer.narrowing
    question = answer.results.question
    if searched == Window() and not narrowing.phrases and not narrowing.names:
        return None
    asked = narrowing.window
    return AskedWindowOut(
        since=iso(searched.since),
        until=iso(searched.until),
        asked=WindowOut(since=iso(asked.since), until=iso(asked.until)) if asked else None,
        phrases=[PhraseOut(text=question[one.start : one.end], start=one.start, end=one.end) for one in narrowing.phrases],
        names=[PhraseOut(text=question[start:end], start=start, end=end) for start, end in narrowing.names],
        relaxed=narrowing.relaxed.value if narrowing.relaxed else None,
        note=wording.relaxed(answer),
    )
