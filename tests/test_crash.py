"""A process that is killed at any moment loses nothing that it had acknowledged, and leaves no half of anything.

Each operation runs in a fork of this process, which says what it is about to commit and what it has committed. It is killed at
a random moment; then the index is opened again. What is in it must be what was acknowledged, or that and the one commit that
was under way, whole; and it must be as `tests/exact.py` demands. A new operation is a function in `OPERATIONS`.
"""

import contextlib
import faulthandler
import io
import json
import os
import random
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from api import cli
from embed.encoder import ModelCard
from embed.hashing import HashingEncoder
from index.backup import back_up, restore
from index.growth import grow
from index.ingest import ingest, reembed
from index.repair import mend, rebuild_caches
from index.store import Changes, Store
from index.vectors import FaissVectors
from tests.exact import forked, require_exact, say

CARD = HashingEncoder().card
State = dict[str, str]
"""The content hash of every entry that is there, by its id."""


@dataclass
class World:
    """An index with its documents and backups, and what must be in it."""

    folder: Path
    lot: random.Random
    texts: dict[str, dict[str, str]] = field(default_factory=lambda: {"a": {}, "b": {}})
    """The documents: their entries' texts by key."""
    backups: dict[Path, State] = field(default_factory=dict)
    made: int = 0

    @property
    def index(self) -> Path:
        return self.folder / "index"

    def document(self, name: str) -> Path:
        path = self.folder / "docs" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        lines = [json.dumps({"_id": key, "lang": "fr", "text": text}) for key, text in self.texts[name].items()]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def sentence(self) -> str:
        self.made += 1
        rest = " ".join(self.lot.choice(["le", "Kremlin", "dément", "drone", "abattu", "Kyiv", "numéro"]) for _ in range(8))
        return f"Le Kremlin dit {self.made} : {rest}. " * self.lot.choice([1, 1, 2, 12])


def acknowledging() -> None:
    """From now on, this process says what it commits, before and after."""
    commit, replace = Store.commit, Store.replace_passages

    def told_commit(self: Store, changes: Changes, card: ModelCard) -> int:
        say({"begins": {entry.id: entry.content_hash.hex() for entry, _ in changes.entries}, "gone": list(changes.withdrawn)})
        generation = commit(self, changes, card)
        say("acknowledged")
        return generation

    def told_replace(self: Store, *given: object) -> int:
        say({"begins": {}, "gone": []})
        generation = replace(self, *given)  # type: ignore[arg-type]
        say("acknowledged")
        return generation

    Store.commit, Store.replace_passages = told_commit, told_replace  # type: ignore[method-assign, assignment]


# What is killed. Each changes the world here, and gives what the fork is to do with it.


def adds(world: World) -> Callable[[], object]:
    name = world.lot.choice("ab")
    world.texts[name].update({f"k{world.made + 1}": world.sentence() for _ in range(world.lot.choice([1, 5, 40]))})
    path = world.document(name)
    return lambda: ingest([path], world.index, HashingEncoder()).generation


def edits(world: World) -> Callable[[], object]:
    name = world.lot.choice("ab")
    some = world.lot.sample(sorted(world.texts[name]), min(10, len(world.texts[name])))
    world.texts[name].update({key: world.sentence() for key in some})
    path = world.document(name)
    return lambda: ingest([path], world.index, HashingEncoder()).generation


def deletes(world: World) -> Callable[[], object]:
    name = world.lot.choice("ab")
    # One stays: a document without entries is one that cannot be read.
    for key in world.lot.sample(sorted(world.texts[name]), min(25, max(len(world.texts[name]) - 1, 0))):
        del world.texts[name][key]
    path = world.document(name)
    return lambda: ingest([path], world.index, HashingEncoder()).generation


def makes_caches(world: World) -> Callable[[], object]:
    return lambda: rebuild_caches(world.index, CARD).generation


def repairs(world: World) -> Callable[[], object]:
    return lambda: mend(world.index, HashingEncoder()).caches.generation


def writes_vectors(world: World) -> Callable[[], object]:
    def write() -> int:
        with Store.open(world.index) as store:
            engine, generation = FaissVectors(CARD.dimension), store.generation()
            space = store.space()
            assert space is not None
            for ids, langs, rows in store.born_vectors(-1, generation):
                engine.add(ids, space.passages(rows, langs))
            engine.commit(generation)
            engine.save(world.index / "cache", f"{store.identity()[:12]}-{CARD.fingerprint}")
        return generation

    return write


def builds_a_tier(world: World) -> Callable[[], object]:
    return lambda: grow(world.index, CARD, "quantised", anew=True).tier


def embeds_again(world: World) -> Callable[[], object]:
    return lambda: reembed(world.index, HashingEncoder())


def backs_up(world: World) -> Callable[[], object]:
    world.made += 1
    path = world.folder / f"{world.made}.filrouge"
    return lambda: back_up(world.index, path).generation


def restores(world: World) -> Callable[[], object]:
    if not world.backups:
        return backs_up(world)
    path = world.lot.choice(sorted(world.backups))

    def bring_back() -> int:
        say({"becomes": world.backups[path]})
        made = restore(path, world.index, replace=True).generation
        say("acknowledged")
        return made

    return bring_back


OPERATIONS: dict[str, Callable[[World], Callable[[], object]]] = {
    "ingest": adds,
    "edit": edits,
    "delete": deletes,
    "compaction": makes_caches,
    "repair": repairs,
    "vector file": writes_vectors,
    "tier build": builds_a_tier,
    "embedding again": embeds_again,
    "backup": backs_up,
    "restore": restores,
}


def outcomes(before: State, said: list[object]) -> list[State]:
    """What may be in the index: what was acknowledged, and that with the commit that was under way."""
    states = [before]
    for one in said:
        if one == "acknowledged":
            states = states[-1:]
        elif isinstance(one, dict):
            after = dict(one["becomes"]) if "becomes" in one else {**states[-1], **one["begins"]}
            for entry_id in one.get("gone", ()):
                after.pop(entry_id, None)
            states.append(after)
    return states


def check_backups(world: World, state: State) -> None:
    """Every file that has the name of a backup must be one."""
    for path in sorted(world.folder.glob("*.filrouge")):
        if path not in world.backups:
            place = world.folder / "restored"
            shutil.rmtree(place, ignore_errors=True)
            restore(path, place)
            assert require_exact(place) == state, path
    for part in world.folder.glob(".filrouge-*"):
        part.unlink()


def kill(world: World, kills: int, deadline: float) -> Counter[str]:
    """Kill `kills` processes in the middle of what they do, and check what each leaves; the operations by how many of each."""
    killed: Counter[str] = Counter()
    documents = [world.document("a"), world.document("b")]
    # Nothing but forks touches the index, since a fork has none of the threads of its parent.
    forked(lambda: ingest(documents, world.index, HashingEncoder()).generation)
    state: State = dict(forked(lambda: require_exact(world.index)).said[-1])
    seconds = dict.fromkeys(OPERATIONS, 0.3)
    turns = 0
    while killed.total() < kills and time.monotonic() < deadline:
        name = list(OPERATIONS)[turns % len(OPERATIONS)]
        turns += 1
        work = OPERATIONS[name](world)

        def told(work: Callable[[], object] = work) -> object:
            acknowledging()
            return work()

        began = time.monotonic()
        ended = forked(told, kill_after=world.lot.uniform(0, seconds[name]))
        if ended.killed:
            killed[name] += 1
            # Where kills come before anything happened, the next may come later.
            seconds[name] = min(seconds[name] * 1.05, 5)
        else:
            seconds[name] = max(time.monotonic() - began, 0.02)
        may_be = outcomes(state, ended.said)
        found: State = dict(forked(lambda: require_exact(world.index)).said[-1])
        assert found in may_be, (name, ended)
        state = found
        forked(partial(check_backups, world, state))
        world.backups |= {path: state for path in world.folder.glob("*.filrouge") if path not in world.backups}
        for path in sorted(world.backups)[:-3]:
            path.unlink()
            del world.backups[path]
        # Documents are as they were written; what was not taken in comes with the next turn of theirs.
        if len(world.texts["a"]) + len(world.texts["b"]) > 250:
            for texts in world.texts.values():
                for key in list(texts)[:-20]:
                    del texts[key]
    return killed


def starve(world: World, megabytes: int) -> bool:
    """Index with so much memory and no more, and check what that leaves; whether it was enough."""
    state: State = dict(forked(partial(require_exact, world.index)).said[-1])
    adds(world)
    paths = [str(world.document(name)) for name in world.texts]

    def told() -> object:
        acknowledging()
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * 1_000_000, resource.RLIM_INFINITY))
        # Where Rust or C++ has no memory, the process ends and says so itself.
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        arguments = ["index", *paths, "--index", str(world.index), "--model", "hashing"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as error:
            status = cli.main(arguments)
        assert "Traceback" not in error.getvalue(), error.getvalue()
        return {"status": status}

    ended = forked(told, may_end=True)
    found: State = dict(forked(partial(require_exact, world.index)).said[-1])
    assert found in outcomes(state, [one for one in ended.said if one == "acknowledged" or "begins" in one])
    return ended.status == 0 and ended.said[-1] == {"status": 0}


def test_an_index_survives_too_little_memory(world: World) -> None:
    documents = [world.document("a"), world.document("b")]
    forked(lambda: ingest(documents, world.index, HashingEncoder()).generation)
    enough = [starve(world, megabytes) for megabytes in (0, 16, 4000)]
    assert enough[0] is False
    assert enough[-1] is True


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Sixty entries in two documents."""
    world = World(tmp_path, random.Random(20261126))
    for name in world.texts:
        world.texts[name] = {f"{name}{number}": world.sentence() for number in range(30)}
    return world


def test_ten_processes_that_are_killed_lose_nothing(world: World) -> None:
    assert kill(world, 10, time.monotonic() + 60).total() == 10


@pytest.mark.crash
def test_three_hundred_processes_that_are_killed_lose_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    killed = kill(world, 300, time.monotonic() + 900)
    with capsys.disabled():
        print(f"\nkilled: {killed.total()} ({', '.join(f'{count} {name}' for name, count in killed.items())})")
    assert killed.total() >= 300
    assert set(killed) == set(OPERATIONS)
