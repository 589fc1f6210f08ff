"""What every page needs of its reader: the language, the manner of writing times and numbers, and what is asked."""

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import partial
from types import SimpleNamespace
from typing import Any

from babel.numbers import format_decimal

from api.links import web
from api.page import manner, template
from api.page.address import Asked
from api.page.words import LANGUAGES, STRINGS, counted
from api.schemas import iso
from index import dates
from index.errors import InvalidRequest, NotFound
from index.records import Entry, published_text
from index.search import MAX_QUESTION
from index.store_view import StoreView


@dataclass(frozen=True)
class Frame:
    """Who reads, and what is asked: `base` is the address of this server as the reader's browser has it."""

    asked: Asked
    language: str
    zone: tzinfo
    base: str

    @classmethod
    def over(cls, store: StoreView, asked: Asked, language: str, base: str) -> "Frame":
        """The frame of a page over `store`. A question far over the limit is not sent back whole."""
        shown = replace(asked, q=asked.q[:MAX_QUESTION], ui=asked.ui if asked.ui in LANGUAGES else "")
        return cls(shown, language, dates.zone(store.zone()), base.rstrip("/"))

    @property
    def strings(self) -> dict[str, str]:
        """What is said in the reader's language, by name."""
        return STRINGS[self.language]

    def render(self, name: str, **more: Any) -> str:
        """A template with what all of them need, and `more`."""
        language = self.language
        return template(name).render(
            ui=language,
            # As attributes: a dictionary has some of its own, such as `copy`.
            s=SimpleNamespace(**self.strings),
            asked=self.asked,
            home=Asked(ui=self.asked.ui).link(),
            longest=MAX_QUESTION,
            count=partial(counted, language),
            published=lambda entry: manner.published(entry, language),
            percent=lambda value: manner.percent(value, language),
            number=lambda value: manner.number(value, language),
            on=lambda moment: manner.on(moment.astimezone(self.zone), language),
            stamp=lambda entry: published_text(entry.published, entry.precision),
            iso=iso,
            web=web,
            cited=self.cited,
            **more,
        )

    def cited(self, text: str, entry: Entry) -> str:
        """A quote with where it is from, to be pasted; the address is the publisher's, or else that of the entry here."""
        address = entry.url if web(entry.url) else f"{self.base}/entry/{entry.id}"
        parts = [entry.title, entry.source, manner.published(entry, self.language), address]
        return self.strings["quoted"].format(text=text, from_=", ".join(part for part in parts if part))

    def explained(self, failure: Exception) -> str:
        """What became of a request."""
        if isinstance(failure, NotFound):
            return self.strings["not_found"]
        name = f"bad_{failure.field}" if isinstance(failure, InvalidRequest) else "unavailable"
        return self.strings[name].format(limit=format_decimal(MAX_QUESTION, locale=self.language))


def blank(asked: Asked, language: str) -> Frame:
    """The frame of a page that shows nothing of an index."""
    return Frame(asked, language, UTC, "")
