"""What is known of a request while it is answered?"""

import re
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLACE = "filrouge.visit"


@dataclass
class Visit:
    """A request: its id, and what was found out on its way in."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    route: str = ""
    """The address as it is declared, with names in place of what a caller wrote; empty where there is none."""
    key: str = ""
    """The name of the key that it was sent with; empty without one."""

    @classmethod
    def begun(cls, asked: str | None) -> "Visit":
        """With the id that the caller gave it, where that can stand in a log as it is; else with one of its own.

        >>> Visit.begun("job-17.3").id, len(Visit.begun("17\\nGET /").id), len(Visit.begun(None).id)
        ('job-17.3', 16, 16)
        """
        return cls(asked) if asked and _SANE.fullmatch(asked) else cls()


def keep(scope: MutableMapping[str, Any], visit: Visit) -> None:
    """Have what is known go with a request."""
    scope[_PLACE] = visit


def of(scope: MutableMapping[str, Any]) -> Visit:
    """What is known of a request; where nothing was kept it is begun here."""
    visit = scope.setdefault(_PLACE, Visit())
    assert isinstance(visit, Visit)
    return visit


def facts(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """What a line in the log says of the request that it is about: nothing of what the caller wrote."""
    visit = of(scope)
    return {"request_id": visit.id, "method": scope["method"], "route": visit.route or None}
