"""Everything that can go wrong while turning text into vectors.

EmbedError
├── ModelNotFound     no such model: not known, not a folder, not to be had from the hub
├── CannotExport      the model cannot be written for this processor, and runs with torch instead
├── EncoderBusy       so many questions are waiting that another would wait too long
└── WeightsDamaged    the weights on this machine are not the ones this release was made for
"""


class EmbedError(Exception):
    """The root: catch it to catch every failure of this package. The message names the offence and the repair."""


class ModelNotFound(EmbedError):
    """The model was asked for by a name that leads nowhere."""


class WeightsDamaged(EmbedError):
    """The weights were found but are truncated, altered or of another release."""


class CannotExport(EmbedError):
    """The model has no exported form, or its export gives other vectors; torch can still run it."""


class EncoderBusy(EmbedError):
    """Too many questions at once; the same one may be asked again in a moment."""
