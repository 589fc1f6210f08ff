"""How a GPU is kept busy: half precision, batches by tokens, and texts that are cut into tokens before it asks for them.

sentence-transformers' own `encode` cuts a batch into tokens, computes it and fetches the result before it looks at the next,
so that a fast GPU waits for most of the time. Here other processes cut what is ahead (`embed.cutting`), batches are as large
as fills the GPU whatever the lengths of texts, and results are fetched while the next batch is computed.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from embed.cutting import GROUP, Cut, Cutter, among
from embed.encoder import Reading, Span, Vectors
from embed.errors import EmbedError
from embed.packing import packs

log = logging.getLogger("filrouge.embed")
T = TypeVar("T")

_BUDGET = 65_536
"""Tokens of a batch, padding included; halved whenever the memory of the GPU is not enough."""
_AHEAD = 3
"""Batches whose results are still to be fetched."""


def is_gpu(device: Any) -> bool:
    """Whether a torch device is a GPU that this module knows how to keep busy."""
    return str(device).startswith("cuda")


def best_precision(device: str) -> str:
    """The precision that a torch device computes fastest in without a risk of overflow: bfloat16 where a GPU has it, float16 on
    older ones, float32 on the oldest and on everything that is no GPU.

    >>> best_precision("cpu")
    'float32'
    """
    import torch

    if not is_gpu(device):
        return "float32"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    # Before these there are no units for it, and it is slower than float32.
    return "float16" if torch.cuda.get_device_capability(device) >= (7, 0) else "float32"


class Pipeline:
    """Runs a sentence-transformers model whose tokenizer has a fast form and pads on the right; raises `EmbedError` for others.

    `encode` and `read` are for one thread at a time. Rows are as the model gives them, not brought to length 1.
    """

    def __init__(self, model: Any, limit: int, budget: int = _BUDGET, group: int = GROUP) -> None:
        from tokenizers import Tokenizer

        tokenizer = model.tokenizer
        if not getattr(tokenizer, "is_fast", False) or tokenizer.padding_side != "right":
            raise EmbedError("its tokenizer has no fast form, or pads on the left")
        # A copy, whose truncation nobody switches off meanwhile.
        own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        own.no_padding()
        own.enable_truncation(limit)
        self._cutter = Cutter(own, group)
        self._pad = int(tokenizer.pad_token_id or 0)
        self.model = model
        self._budget = budget
        self._fetchers = ThreadPoolExecutor(2, thread_name_prefix="results")

    def encode(self, texts: Sequence[str], prefix: str = "") -> Vectors:
        """The vectors of `prefix` and each of `texts`: float32 of shape (len(texts), dimension)."""
        # Left where they were computed until all is done: fetching them now would wait for the GPU.
        found = list(self._results(self._cutter.cut(texts, prefix), lambda _, __, result: result["sentence_embedding"]))
        vectors = np.empty((len(texts), found[0][1].shape[1] if found else 0), dtype=np.float32)
        for places, rows in found:
            vectors[places] = rows.float().cpu().numpy()
        return vectors

    def read(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], prefix: str = "") -> list[Reading]:
        """The vectors of `prefix` and each of `texts`, with those of the spans of the text."""
        readings: dict[int, Reading] = {}

        def finish(cut: Cut, chosen: Sequence[int], result: Any) -> tuple[Any, Any]:
            return result["sentence_embedding"].float(), _means(result["token_embeddings"], cut, chosen)

        def fetch(places: Sequence[int], found: tuple[Any, Any]) -> None:
            vectors, words = (rows.cpu().numpy() for rows in found)
            ends = np.cumsum([len(spans[place]) for place in places])[:-1]
            for place, vector, some in zip(places, vectors, np.split(words, ends), strict=True):
                readings[place] = Reading(vector, some)

        fetching: deque[Future[None]] = deque()
        for places, found in self._results(self._cutter.cut(texts, prefix, spans), finish):
            # Words are large: no more of them at a time than the GPU has room for.
            while len(fetching) >= _AHEAD:
                fetching.popleft().result()
            fetching.append(self._fetchers.submit(fetch, places, found))
        for one in fetching:
            one.result()
        return [readings[place] for place in range(len(texts))]

    def _results(
        self, cuts: Iterator[tuple[int, Cut]], finish: Callable[[Cut, Sequence[int], Any], T]
    ) -> Iterator[tuple[list[int], T]]:
        """For each batch the places of its texts, and what `finish` makes on the GPU of what the model gives."""
        for at, cut in cuts:
            for pack in packs(cut.lengths.tolist(), self._budget):
                waiting = [pack]
                while waiting:
                    chosen = waiting.pop(0)
                    found = self._computed(cut, chosen, finish)
                    if found is None:
                        middle = len(chosen) // 2
                        waiting[:0] = [chosen[:middle], chosen[middle:]]
                    else:
                        yield [at + place for place in chosen], found

    def _computed(self, cut: Cut, chosen: Sequence[int], finish: Callable[[Cut, Sequence[int], Any], T]) -> T | None:
        """What `finish` makes of the model's results for texts of `cut`; None where that takes more memory than there is."""
        import torch

        device = self.model.device
        lengths = cut.lengths[chosen]
        real = np.arange(max(lengths.max(), 1)) < lengths[:, np.newaxis]
        ids = np.full(real.shape, self._pad, dtype=np.int64)
        ids[real] = cut.ids[among(cut.lengths, chosen)]
        features = {}
        for name, values in (("input_ids", ids), ("attention_mask", real.astype(np.int64))):
            # From memory that is not pinned: pinning it took a fifth of the time, and the model waits for the mask anyway.
            features[name] = torch.from_numpy(values).to(device)
        try:
            with torch.inference_mode():
                return finish(cut, chosen, self.model(features))
        except torch.OutOfMemoryError as error:
            if len(chosen) == 1:
                raise EmbedError("the memory of the GPU is not enough for one text; set device to cpu") from error
        torch.cuda.empty_cache()
        self._budget = max(ids.size // 2, 1)
        log.warning("the memory of the GPU is not enough; going on with batches of %d tokens", self._budget)
        return None


def _means(states: Any, cut: Cut, chosen: Sequence[int]) -> Any:
    """`embed.encoder.means` for the `chosen` texts, where their `states` are: float32 of shape (all spans, dimension)."""
    import torch

    rows, columns, dimension = states.shape
    tokens = cut.seen[among(cut.touched, chosen)] + np.repeat(np.arange(rows) * columns, cut.touched[chosen])
    counts = cut.counts[among(cut.spans, chosen)]
    if not len(tokens):
        return states.new_zeros((len(counts), dimension), dtype=torch.float32)
    begins = torch.from_numpy(np.cumsum(counts) - counts).to(states.device)
    flat = states.reshape(rows * columns, dimension).float()
    # An empty bag gives zeros.
    return torch.nn.functional.embedding_bag(torch.from_numpy(tokens).to(states.device), flat, begins, mode="mean")
