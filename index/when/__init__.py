"""Which time a question speaks of, in French and English: words to half-open windows, without a model.

>>> from datetime import UTC, datetime
>>> from zoneinfo import ZoneInfo
>>> now = datetime(2023, 5, 23, 10, tzinfo=UTC)
>>> found = read_when("Que s’est-il passé lundi soir à Belgorod ?", "fr", now, ZoneInfo("Europe/Paris"))
>>> found.window.since.isoformat(), found.window.until.isoformat()
('2023-05-22T18:00:00+02:00', '2023-05-23T00:00:00+02:00')
"""

from index.when.asks import asks_when
from index.when.phrases import TimePhrase, When, Why
from index.when.read import read_when

__all__ = ["TimePhrase", "When", "Why", "asks_when", "read_when"]
