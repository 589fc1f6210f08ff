"""How a GPU is kept busy: half precision, batches by tokens, and texts that are cut into tokens before it asks for them.

sentence-transformers' own `encode` cuts a batch into tokens, computes it and fetches the result before it looks at the next,
so that a fast GPU waits for most of the time. Here threads cut what is ahead, batches are as large as fills the GPU whatever
the lengths of texts, and results are fetched while the next batch is computed.
"""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from embed import precision
from embed.compiled import batches
from embed.encoder import Reading, Span, Vectors, clean, means, placed
from embed.errors import EmbedError

log = logging.getLogger("filrouge.embed")

_BUDGET = 32_768
"""Tokens of a batch, padding included; halved whenever the memory of the GPU is not enough."""
_GROUP = 2048
"""Texts cut into tokens at a time, and sorted by length."""
_AHEAD = 3
"""Groups that are cut before they are asked for, and batches whose results are still to be fetched."""


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

    def __init__(self, model: Any, limit: int, budget: int = _BUDGET) -> None:
        from tokenizers import Tokenizer

        tokenizer = model.tokenizer
        if not getattr(tokenizer, "is_fast", False) or tokenizer.padding_side != "right":
            raise EmbedError("its tokenizer has no fast form, or pads on the left")
        # A copy, whose truncation nobody switches off meanwhile; it may be used by several threads.
        self._tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)
        self._pad = int(tokenizer.pad_token_id or 0)
        self.model = model
        self._budget = budget
        self._cutters = ThreadPoolExecutor(min(precision.cores(), _AHEAD), thread_name_prefix="tokens")
        self._fetchers = ThreadPoolExecutor(2, thread_name_prefix="results")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors of `texts` as they stand, without prefix: float32 of shape (len(texts), dimension)."""
        found: list[tuple[list[int], Any]] = []
        for places, result, _ in self._results(texts):
            # Left where it was computed until all is done: fetching it now would wait for the GPU.
            found.append((places, result["sentence_embedding"]))
        vectors = np.empty((len(texts), found[0][1].shape[1] if found else 0), dtype=np.float32)
        for places, rows in found:
            vectors[places] = rows.float().cpu().numpy()
        return vectors

    def read(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], prefix: str = "") -> list[Reading]:
        """The vectors of `prefix` and each of `texts`, with those of the spans of the text."""
        readings: dict[int, Reading] = {}

        def fetch(places: list[int], result: Any, offsets: list[list[Span]]) -> None:
            vectors = result["sentence_embedding"].float().cpu().numpy()
            states = result["token_embeddings"].float().cpu().numpy()
            for row, place in enumerate(places):
                wanted = placed(texts[place], spans[place], prefix)
                readings[place] = Reading(vectors[row], means(states[row, : len(offsets[row])], offsets[row], wanted))

        fetching: deque[Future[None]] = deque()
        for places, result, offsets in self._results([prefix + clean(text) for text in texts]):
            # States are large: no more of them at a time than the GPU has room for.
            while len(fetching) >= _AHEAD:
                fetching.popleft().result()
            fetching.append(self._fetchers.submit(fetch, places, result, offsets))
        for one in fetching:
            one.result()
        return [readings[place] for place in range(len(texts))]

    def _results(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Any, list[list[Span]]]]:
        """For each batch the places of its texts, what the model gives, and where the tokens of each text stand."""
        groups = deque(range(0, len(texts), _GROUP))
        cut: deque[tuple[int, Future[Any]]] = deque()
        while groups or cut:
            while groups and len(cut) < _AHEAD:
                at = groups.popleft()
                cut.append((at, self._cutters.submit(self._tokenizer.encode_batch, list(texts[at : at + _GROUP]))))
            at, future = cut.popleft()
            encoded = future.result()
            tokens = [one.ids for one in encoded]
            for some, ids, mask in batches(tokens, self._budget, self._pad):
                for rows, result in self._computed(ids, mask):
                    chosen = some[rows]
                    yield [at + place for place in chosen], result, [encoded[place].offsets for place in chosen]

    def _computed(self, ids: Any, mask: Any) -> Iterator[tuple[slice, Any]]:
        """The model's results for a batch, in one piece or, where that takes more memory than there is, in several."""
        import torch

        device = self.model.device
        rows = [slice(0, len(ids))]
        while rows:
            part = rows.pop(0)
            features = {}
            for name, values in (("input_ids", ids), ("attention_mask", mask)):
                values = torch.from_numpy(np.ascontiguousarray(values[part]))
                features[name] = values.pin_memory().to(device, non_blocking=True) if is_gpu(device) else values
            try:
                with torch.inference_mode():
                    result = self.model(features)
            except torch.OutOfMemoryError as error:
                count = part.stop - part.start
                if count == 1:
                    raise EmbedError("the memory of the GPU is not enough for one text; set device to cpu") from error
                torch.cuda.empty_cache()
                self._budget = max(ids[part].size // 2, 1)
                log.warning("the memory of the GPU is not enough; going on with batches of %d tokens", self._budget)
                middle = part.start + count // 2
                rows[:0] = [slice(part.start, middle), slice(middle, part.stop)]
                continue
            yield part, result
