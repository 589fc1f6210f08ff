"""What goes with a request."""

import re
from typing import Any

import pytest

from api import visits
from api.visits import Visit


@pytest.mark.parametrize("sane", ["a", "7f.x-Y_1", "a" * 64, "0af7651916cd43dd8448eb211c80319c"])
def test_an_id_that_can_stand_in_a_log_is_taken_over(sane: str) -> None:
    assert Visit.begun(sane).id == sane


@pytest.mark.parametrize("odd", [None, "", "a" * 65, "a b", "-a", "a\r\nSet-Cookie: x", "é", "<b>", "a\x00", "a\n"])
def test_any_other_is_replaced_by_one_of_chance(odd: str | None) -> None:
    made = {Visit.begun(odd).id for _ in range(3)}
    assert len(made) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)


def test_what_is_known_of_a_request_stays_with_it() -> None:
    scope: dict[str, Any] = {"method": "GET"}
    visit = visits.of(scope)
    visit.route = "/search"
    assert visits.of(scope) is visit
    assert visits.facts(scope) == {"request_id": visit.id, "method": "GET", "route": "/search"}
    visits.keep(scope, Visit("other"))
    assert visits.of(scope).id == "other"
