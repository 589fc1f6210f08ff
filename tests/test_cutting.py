"""Texts cut into tokens, in this process and in others."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from embed.cutting import Cut, Cutter, among, cut
from embed.sample import sample_texts
from index.space import word_spans

ROOT = Path(__file__).parent.parent
Tokens = tuple[list[int], list[list[int]]]


@pytest.fixture(scope="module")
def tokenizer(small_model: Path) -> Tokenizer:
    found: Tokenizer = Tokenizer.from_file(str(small_model / "tokenizer.json"))
    found.no_padding()
    found.enable_truncation(64)
    return found


@pytest.fixture(scope="module")
def few(tokenizer: Tokenizer) -> Cutter:
    """Cuts few characters at a time, so that few texts take processes."""
    return Cutter(tokenizer, 40)


def parts(found: Cut) -> list[Tokens]:
    """For each text its tokens, and for each of its spans the tokens that touch it."""
    each: list[Tokens] = []
    for place in range(len(found.lengths)):
        ids = found.ids[among(found.lengths, [place])].tolist()
        if not len(found.spans):
            each.append((ids, []))
            continue
        counts = found.counts[among(found.spans, [place])]
        seen = found.seen[among(found.touched, [place])]
        each.append((ids, [some.tolist() for some in np.split(seen, np.cumsum(counts))[:-1]]))
    return each


def all_parts(cutter: Cutter, texts: list[str], spans: list[list[tuple[int, int]]] | None) -> list[Tokens]:
    found, at = [], 0
    for first, some in cutter.cut(texts, "query: ", spans):
        assert first == at
        at += len(some.lengths)
        found.extend(parts(some))
    return found


def test_a_text_has_the_tokens_of_its_tokenizer_and_its_words_theirs(tokenizer: Tokenizer) -> None:
    texts = ["Le Kremlin dit oui", "", "a\x00b \ud800", "\ud83d\ude42 oui"]
    spans = [word_spans(text) for text in texts]
    found = parts(cut(tokenizer, texts, "query: ", spans))
    for text, words, (ids, seen) in zip(texts, spans, found, strict=True):
        clean = text.replace("\x00", " ").replace("\ud83d\ude42", "\U0001f642").replace("\ud800", "\ufffd")
        whole = tokenizer.encode("query: " + clean)
        assert ids == whole.ids
        joined = len(text) - len(clean)
        for (start, end), some in zip(words, seen, strict=True):
            place = (start - joined + 7, end - joined + 7)
            assert some == [i for i, (a, b) in enumerate(whole.offsets) if a < b and a < place[1] and b > place[0]]


@settings(deadline=None, max_examples=25)
@given(texts=st.lists(st.text(max_size=30), min_size=4, max_size=14), asked=st.booleans())
def test_other_processes_cut_as_this_one_does(tokenizer: Tokenizer, few: Cutter, texts: list[str], asked: bool) -> None:
    spans = [word_spans(text) for text in texts] if asked else None
    assert all_parts(few, texts, spans) == parts(cut(tokenizer, texts, "query: ", spans))


def test_few_texts_are_cut_here(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    # What starts processes cannot be imported.
    monkeypatch.setitem(sys.modules, "loky", None)
    texts = ["x" * 999] * 100
    assert all_parts(Cutter(tokenizer), texts, None) == parts(cut(tokenizer, texts, "query: "))
    assert list(Cutter(tokenizer).cut([], "")) == []
    with pytest.raises(ImportError):
        all_parts(Cutter(tokenizer), [*texts, "oui"], None)


def test_what_a_killed_process_leaves_is_cut_here(tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture) -> None:
    cutter, texts = Cutter(tokenizer, 300), sample_texts(30, seed=4)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    found, killed = [], False
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        for at, some in cutter.cut(texts, "query: "):
            found.extend(parts(some))
            if not killed and at > 6:
                killed = True
                for child in psutil.Process().children(recursive=True):
                    if child.pid not in before and "loky" in " ".join(child.cmdline()):
                        os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.5)
    assert found == parts(cut(tokenizer, texts, "query: "))
    assert len(caplog.messages) >= 1
    assert all(message.startswith("cutting texts in this process, since one of its own ended: ") for message in caplog.messages)
    # And the next call has processes again.
    caplog.clear()
    assert all_parts(cutter, texts, None) == found
    assert caplog.messages == []


def test_a_program_without_a_guard_is_not_run_again_and_its_processes_end_with_it(small_model: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, psutil\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tokenizers import Tokenizer\n"
        "from embed.cutting import Cutter\n"
        f"cutter = Cutter(Tokenizer.from_file({str(small_model / 'tokenizer.json')!r}))\n"
        "print('texts', sum(len(some.lengths) for _, some in cutter.cut(['le drone'] * 50000, '')))\n"
        "print(*[child.pid for child in psutil.Process().children(recursive=True)])\n"
        "assert 'torch' not in sys.modules\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    told, children = done.stdout.splitlines()
    assert told == "texts 50000"
    assert children
    until = time.monotonic() + 10
    while any(map(psutil.pid_exists, map(int, children.split()))) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, map(int, children.split())))
