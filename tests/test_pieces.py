"""A tokenizer of the pieces at hand cuts as the whole one does, tokens and places."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from embed import bundled, pieces
from embed.encoder import clean
from embed.pieces import PieceTokenizer, Tokenizing, WholeTokenizer
from embed.sample import sample_texts
from index.documents import Facts, find
from index.readers import read
from index.records import Entry

ROOT = Path(__file__).resolve().parent.parent
HARD = [
    "",
    " ",
    "a",
    "</s>",
    "<s>le drone</s><pad> <unk>x",
    "＜ｓ＞ fullwidth ＜/ｓ＞",
    "  deux   espaces \t\n tab\u00a0insécable\u202ffine ",
    "e\u0301te\u0301 ﬁn ½ ①②③ ㍿ Ⅷ ｶﾞ 각",
    "« Oui », dit-il 🙂👩‍👩‍👧 — №5 … l’été à 18 h 30",
    "▁▁ ▁a ▁",
    "мир 世界 مرحبا नमस्ते ไทย",
    "plumless buckeroo",
    "anticonstitutionnellement" * 20,
    "\u200b\u200d\ufeff\u00ad\x01\x7f",
    "ba" * 400,
]
LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
MIXED = st.lists(
    st.sampled_from([*HARD, "Kremlin", "é", " ", "\u0301", "</s>", "<s>", "▁", "10 000"]) | LETTERS, max_size=6
).map("".join)


def unigram(words: Sequence[str], byte_fallback: bool = False) -> Tokenizer:
    """A tokenizer of the default model's kind, with special tokens in the middle of its vocabulary."""
    vocabulary = [(word, -3.0 - 0.37 * n) for n, word in enumerate(words)]
    vocabulary[4:4] = [("<s>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.5)]
    if byte_fallback:
        vocabulary += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    names = [text for text, _ in vocabulary]
    start, end, unknown = (names.index(name) for name in ("<s>", "</s>", "<unk>"))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=byte_fallback))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", start), ("</s>", end)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in ("<s>", "</s>", "<unk>")])
    return tokenizer


WORDS = "le drone rone dro n e d l a b ba plumless buckeroo Kremlin ▁le ▁drone ▁K rem lin i é o u r m".split()


@pytest.fixture(scope="module", params=[False, True], ids=["unknown", "bytes"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizing, Tokenizing]:
    """A small tokenizer, in pieces and whole."""
    return both(unigram(WORDS, request.param), tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizing, Tokenizing]:
    """The default model's."""
    folder = bundled.materialize(bundled.default_cache())
    return both(Tokenizer.from_file(str(folder / "tokenizer.json")), tmp_path_factory.mktemp("default"))


def both(tokenizer: Tokenizer, folder: Path) -> tuple[Tokenizing, Tokenizing]:
    pieces.write(tokenizer, folder)
    found = pieces.opened(folder)
    assert isinstance(found, PieceTokenizer)
    return found, WholeTokenizer(tokenizer)


def assert_same(pair: tuple[Tokenizing, Tokenizing], texts: Sequence[str]) -> None:
    ours, whole = pair
    for text, one, other in zip(texts, ours.encode(texts), whole.encode(texts), strict=True):
        assert one == other, text
    assert ours.count(texts) == whole.count(texts)


def test_hard_texts_are_cut_alike_by_a_small_tokenizer(small: tuple[Tokenizing, Tokenizing]) -> None:
    assert_same(small, HARD)
    for text in HARD:
        assert_same(small, [text])
    assert_same(small, [])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ledronbaK▁ é<s>/", max_size=30) | MIXED, max_size=5))
def test_any_texts_are_cut_alike_by_a_small_tokenizer(small: tuple[Tokenizing, Tokenizing], texts: list[str]) -> None:
    assert_same(small, texts)


@pytest.mark.model
def test_texts_of_every_kind_are_cut_alike_by_the_default_tokenizer(default: tuple[Tokenizing, Tokenizing]) -> None:
    entries = [item for found in find([ROOT / "seeds"], Facts()) for item in read(found)]  # type: ignore[arg-type]
    seeds = [f"{entry.title}\n{entry.text}" for entry in entries if isinstance(entry, Entry)]
    assert len(seeds) == 6
    assert_same(default, ["passage: " + text for text in (*HARD, *sample_texts(200), *seeds)])
    # Characters of every script, most of them alone and unknown.
    letters = [chr(code) for code in range(1, 0x30000, 7) if not 0xD800 <= code < 0xE000]
    assert_same(default, ["".join(letters[at : at + 64]) for at in range(0, len(letters), 64)])
    assert_same(default, [" ".join(letters[at : at + 64]) for at in range(0, len(letters), 64)])


@pytest.mark.model
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MIXED, max_size=4))
def test_any_texts_are_cut_alike_by_the_default_tokenizer(default: tuple[Tokenizing, Tokenizing], texts: list[str]) -> None:
    assert_same(default, texts)


@pytest.mark.model
@pytest.mark.sets
@pytest.mark.parametrize("name", ["debian_faq_fr_en", "liveblog_en", "piaf_fr", "tatoeba_fr_en"])
def test_the_texts_of_real_sets_are_cut_alike(
    default: tuple[Tokenizing, Tokenizing], name: str, evaluation_set: Callable[[str], Path]
) -> None:
    for file in ("corpus.jsonl", "queries.jsonl"):
        lines = (evaluation_set(name) / file).read_text(encoding="utf-8").splitlines()
        texts = [clean("query: " + json.loads(line)["text"]) for line in lines]
        for at in range(0, len(texts), 256):
            assert_same(default, texts[at : at + 256])


@pytest.mark.model
@pytest.mark.sets
@pytest.mark.quality
@pytest.mark.parametrize(
    "name",
    ["afriqa_en", "afriqa_fr", "debian_news_fr_en", "libreoffice_help_fr_en", "press_gilets_jaunes", "squad2_en"],
)
def test_the_texts_of_large_sets_are_cut_alike(
    default: tuple[Tokenizing, Tokenizing], name: str, evaluation_set: Callable[[str], Path]
) -> None:
    test_the_texts_of_real_sets_are_cut_alike(default, name, evaluation_set)


def test_two_pieces_with_one_key_are_told_apart(tmp_path: Path) -> None:
    assert pieces._key(b"plumless") == pieces._key(b"buckeroo")
    assert_same(both(unigram(WORDS), tmp_path), ["plumless", "buckeroo", "buckeroo plumless"])
    # And one from another that is no piece.
    (tmp_path / "fewer").mkdir()
    assert_same(both(unigram([word for word in WORDS if word != "plumless"]), tmp_path / "fewer"), ["plumless buckeroo"])


def test_what_is_forgotten_is_looked_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_REMEMBERED", 2)
    pair = both(unigram(WORDS), tmp_path)
    for text in ("le drone", "la Kremlin", "le drone ba", "le drone"):
        assert_same(pair, [text, "e d n"])


def test_many_threads_get_their_own_tokens(tmp_path: Path) -> None:
    ours, whole = both(unigram(WORDS), tmp_path)
    texts = [f"le drone {'ba' * n} Kremlin" for n in range(30)]
    expected = whole.encode(texts)
    wrong: list[str] = []

    def cut(first: int) -> None:
        for n in range(first, first + 60):
            if ours.encode([texts[n % 30]])[0] != expected[n % 30]:
                wrong.append(texts[n % 30])

    threads = [threading.Thread(target=cut, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def other_kinds() -> dict[str, Tokenizer]:
    """Tokenizers that cannot be taken to pieces."""
    letters = {letter: n for n, letter in enumerate("ledron▁?")}
    bpe = Tokenizer(models.BPE(letters, [("l", "e")] if "le" in letters else [], unk_token="?"))
    new = unigram(WORDS)
    new.add_special_tokens([AddedToken("<mask>", normalized=False, special=True)])
    normal = unigram(WORDS)
    normal.add_tokens([AddedToken("le", normalized=True)])
    roberta = unigram(WORDS)
    roberta.post_processor = processors.RobertaProcessing(("</s>", 5), ("<s>", 4))
    return {"pairs of letters": bpe, "new token": new, "normal token": normal, "other ends": roberta}


@pytest.mark.parametrize("kind", other_kinds())
def test_another_kind_of_tokenizer_is_kept_whole(kind: str, tmp_path: Path) -> None:
    tokenizer = other_kinds()[kind]
    pieces.write(tokenizer, tmp_path)
    found = pieces.opened(tmp_path)
    assert isinstance(found, WholeTokenizer)
    assert_same((found, WholeTokenizer(tokenizer)), ["le drone", "", "</s> le <mask>"])


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    pieces.write(unigram(WORDS), tmp_path)
    table = (tmp_path / "pieces.npy").read_bytes()
    (tmp_path / "pieces.npy").write_bytes(table.replace(b"score", b"other"))
    with pytest.raises(ValueError, match="no table of pieces"):
        pieces.opened(tmp_path)
