"""What the address of a page asks for, and the addresses that ask for something else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from urllib.parse import urlencode

from pydantic import ValidationError

from api.answers import AskQuery
from index.errors import InvalidRequest


@dataclass(frozen=True)
class Asked:
    """The parts of an address as they were written; an empty one was not given.

    `times` is "no" for a question whose times narrow nothing; `ui` is the language of the page.
    """

    q: str = ""
    lang: str = ""
    source: str = ""
    since: str = ""
    until: str = ""
    as_of: str = ""
    now: str = ""
    times: str = ""
    k: str = ""
    ui: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """What a query string says; what it says beside that is left alone.

        >>> Asked.of({"q": "Qui ?", "lang": "", "utm_source": "x"}) == Asked(q="Qui ?")
        True
        """
        return cls(**{one.name: query.get(one.name, "").strip() for one in fields(cls)})

    def link(self, path: str = "/", **changes: str) -> str:
        """The address of the same with `changes`.

        >>> Asked(q="Qui ?", lang="fr").link(lang="", until="2023-05-24")
        '/?q=Qui+%3F&until=2023-05-24'
        """
        parts = {name: value for name, value in asdict(replace(self, **changes)).items() if value}
        # Half a character has no UTF-8, and may stand in an address all the same.
        query = urlencode(parts, errors="replace")
        return f"{path}?{query}" if query else path

    def cleared(self) -> str:
        """The address of the question alone.

        >>> Asked(q="Qui ?", lang="fr", ui="en").cleared()
        '/?q=Qui+%3F&ui=en'
        """
        return Asked(q=self.q, ui=self.ui).link()

    def asking(self) -> AskQuery:
        """The same as the other doors take it. Raises `InvalidRequest`, which names the part that is wrong."""
        parts = {name: value for name, value in asdict(self).items() if value and name != "ui"}
        try:
            return AskQuery.model_validate({"q": "", **parts})
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0])
            raise InvalidRequest(first["msg"], "query" if field == "q" else field) from error
