"""Text to unit vectors. Knows nothing of news, stores or the web.

`load` gives an encoder; every encoder keeps the promise of `Encoder` and carries the `ModelCard` that is written beside
each vector it makes.
"""

from embed.encoder import Encoder, ModelCard
from embed.errors import EmbedError, ModelNotFound, WeightsDamaged
from embed.models import DEFAULT_MODEL, load

__all__ = ["DEFAULT_MODEL", "EmbedError", "Encoder", "ModelCard", "ModelNotFound", "WeightsDamaged", "load"]
