"""A route answers from the index that the application opened, and from nothing before."""

from types import SimpleNamespace
from typing import Any

import pytest

from api.opened import searcher
from index.errors import FilrougeError


def test_there_is_an_index_while_it_is_open_and_a_failure_otherwise() -> None:
    opened = object()
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(searcher=opened)))
    assert searcher(request) is opened
    for gone in (SimpleNamespace(), SimpleNamespace(searcher=None)):
        request.app.state = gone
        with pytest.raises(FilrougeError, match="the index is not loaded"):
            searcher(request)
