"""JSON documents: the message arrays of live services, JSON Feed, exports. An array of objects, or an object that holds one.

A message has `_id`, `type`, `body` (HTML), `plain_text`, `created_at`, `updated_at`, `url`; `index.readers.columns` has every
name that is understood.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.readers import columns
from index.readers.encoding import decode
from index.readers.whole import contents
from index.records import Entry

_DEEPEST = 4


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a JSON document, in its order."""
    try:
        value: Any = json.loads(decode(contents(document.path)))
    except json.JSONDecodeError as error:
        raise UnreadableDocument(f"is not JSON: {error.msg}, at line {error.lineno}, character {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument(f"is not JSON: {error}") from error
    messages = _messages(value, 0)
    if messages is None:
        raise UnreadableDocument("is JSON without a list of entries: each is an object with at least a text")
    if isinstance(value, dict) and not document.facts.lang and isinstance(value.get("language"), str):
        document = replace(document, facts=replace(document.facts, lang=value["language"].partition("-")[0].lower()))
    yield from columns.entries(document, _named(messages))


def _named(messages: list[Any]) -> Iterator[tuple[str, Mapping[str, Any] | UnreadableDocument]]:
    for number, message in enumerate(messages, start=1):
        good = isinstance(message, dict)
        yield f"message {number}", message if good else UnreadableDocument("is not a JSON object")


def _messages(value: Any, depth: int) -> list[Any] | None:
    """The list that holds the most entries; a message alone is a list of one."""
    if isinstance(value, list):
        return value if any(_is_entry(one) for one in value) else None
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    below = [found for one in value.values() if isinstance(one, list | dict) if (found := _messages(one, depth + 1))]
    if below:
        return max(below, key=len)
    return [value] if _is_entry(value) and depth == 0 else None


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and any(name in value for name in (*columns.TEXT, *columns.HTML, "headline"))
