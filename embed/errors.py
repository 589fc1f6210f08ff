"""Everything that can go wrong while turning text into vectors.

EmbedError
├── ModelNotFound     no such model: not known, not a folder, not to be had from the hub
└── WeightsDamaged    the weights on this machine are not the ones this release was made for
"""


class EmbedError(Exception):
    """The root: catch it to catch every failure of this package. The message names the offence and the repair."""


class ModelNotFound(EmbedError):
    """The model was asked for by a name that leads nowhere."""


class WeightsDamaged(EmbedError):
    """The weights were found but are truncated, altered or of another release."""
