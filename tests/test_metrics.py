"""What a monitor sees: every request counted once, under labels that no caller can make more of."""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from api.app import create_app
from api.metrics import GONE, MEDIA, Measured, Metrics, forget
from embed.batching import BatchingEncoder
from embed.hashing import HashingEncoder
from embed.stages import CACHES, STAGES, Account
from index.ingest import ingest
from index.search import Searcher

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "api" / "guides" / "operations.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "api" / "dashboard.json").read_text(encoding="utf-8"))
Labels = tuple[tuple[str, str], ...]


@pytest.fixture
def watched(seed_index: Path) -> Iterator[TestClient]:
    """A server of the test's own, so that its numbers begin at 0."""
    with (
        BatchingEncoder(HashingEncoder()) as encoder,
        TestClient(create_app(lambda: Searcher(seed_index, encoder)), raise_server_exceptions=False) as client,
    ):
        yield client


def seen(client: TestClient) -> dict[str, dict[Labels, float]]:
    """Every sample by its name and labels."""
    response = client.get("/metrics")
    assert (response.status_code, response.headers["content-type"]) == (200, MEDIA)
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def requests(client: TestClient) -> dict[tuple[str, str, str], float]:
    """How many requests by route, method and status."""
    labels = seen(client).get("filrouge_requests_total", {})
    return {(one["route"], one["method"], one["status"]): n for key, n in labels.items() for one in [dict(key)]}


@pytest.mark.parametrize(
    ("method", "address", "route", "status"),
    [
        ("GET", "/search?q=Belgorod", "/search", "200"),
        ("GET", "/search?q=", "/search", "422"),
        ("PUT", "/search", "/search", "405"),
        ("GET", "/entries/nobody", "/entries/{entry_id}", "404"),
        ("GET", "/v1/models/a/b", "/v1/models/{model:path}", "404"),
        ("GET", "/v1/vector_stores/vs_x", "/v1/vector_stores/{vector_store_id}", "404"),
        ("GET", "/page/0/page.css", "/page/{version}/{name}", "200"),
        ("GET", "/?q=Belgorod", "/", "200"),
        ("POST", "/mcp", "/mcp", "400"),
        ("GET", "/openapi.json", "/openapi.json", "200"),
        ("GET", "/no/such/place", "none", "404"),
        ("BREW", "/search", "/search", "405"),
    ],
)
def test_a_request_is_counted_once_under_the_template_of_its_route(
    watched: TestClient, method: str, address: str, route: str, status: str
) -> None:
    response = watched.request(method, address)
    assert str(response.status_code) == status
    assert requests(watched) == {(route, "other" if method == "BREW" else method, status): 1}
    assert seen(watched)["filrouge_request_seconds_count"][(("route", route),)] == 1


def test_what_is_answered_in_front_of_the_routes_is_counted_under_them(watched: TestClient) -> None:
    assert watched.post("/batch", content=b" " * 2_000_000).status_code == 413
    watched.app.state.readiness.why_not = "not now"  # type: ignore[attr-defined]
    assert watched.post("/v1/rerank", json={}).status_code == 503
    assert requests(watched) == {("/batch", "POST", "413"): 1, ("/v1/rerank", "POST", "503"): 1}


def test_no_caller_can_make_more_series(watched: TestClient) -> None:
    def ask(n: int) -> None:
        for address in (f"/search?q=mot{n}&source={n}", f"/entries/{n}", f"/{n}", f"/v1/models/{n}", f"/page/{n}/{n}"):
            watched.get(address, headers={"X-Anything": str(n)})
        watched.request(f"M{n}", "/search")

    ask(0)
    before = seen(watched)
    for n in range(1, 20):
        ask(n)
    after = seen(watched)
    assert {name: set(values) for name, values in after.items()} == {
        # Asking for them is the first request for them.
        **{name: set(values) for name, values in before.items()},
        **{name: set(values) for name, values in after.items() if name.startswith("filrouge_request")},
    }
    extra = set(after["filrouge_requests_total"]) - set(before["filrouge_requests_total"])
    assert {dict(key)["route"] for key in extra} <= {"/metrics"}


def test_stages_and_caches_are_all_there_from_the_start_and_count_requests(watched: TestClient) -> None:
    start = seen(watched)
    assert {dict(key)["stage"] for key in start["filrouge_stage_seconds_count"]} == set(STAGES)
    assert {dict(key)["cache"] for key in start["filrouge_cache_lookups_total"]} == set(CACHES)
    assert {dict(key)["reason"] for key in start["filrouge_requests_refused_total"]} == {"busy", "not_ready"}
    for _ in range(3):
        watched.get("/ask?q=" + quote("Qui a revendiqué l’attaque de Belgorod ?"))
    end = seen(watched)
    for stage in ("understand", "encode", "nearest", "terms", "weigh", "read", "render"):
        assert end["filrouge_stage_seconds_count"][(("stage", stage),)] == 3, stage
        assert end["filrouge_stage_seconds_sum"][(("stage", stage),)] > 0
    assert end["filrouge_stage_seconds_count"][(("stage", "wait"),)] == 0
    questions = {
        dict(key)["result"]: n for key, n in end["filrouge_cache_lookups_total"].items() if ("cache", "questions") in key
    }
    assert questions == {"miss": 1, "hit": 2}
    # Each moment of a request is in one stage.
    spent = sum(end["filrouge_stage_seconds_sum"].values())
    took = sum(end["filrouge_request_seconds_sum"].values())
    assert spent == pytest.approx(took, rel=0.05, abs=0.002)


def test_a_chatbots_call_is_seen_in_its_stages_too(watched: TestClient) -> None:
    call = {"name": "search_passages", "arguments": {"query": "Belgorod"}}
    response = watched.post(
        "/mcp",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
        headers={"Accept": "application/json, text/event-stream"},
    )
    assert response.json()["result"]["structuredContent"]["hits"]
    assert seen(watched)["filrouge_stage_seconds_count"][(("stage", "nearest"),)] == 1


def test_the_index_is_told_as_it_is(watched: TestClient) -> None:
    found = seen(watched)
    told = {name: found[f"filrouge_{name}"][()] for name in ("ready", "index_generation", "index_entries", "index_passages")}
    assert told == {"ready": 1, "index_generation": 1, "index_entries": 6, "index_passages": 11}
    (build,) = found["filrouge_build_info"]
    assert dict(build)["model"] == "hashing"
    assert found["process_resident_memory_bytes"][()] > 1e7


def test_an_index_that_cannot_be_read_leaves_the_other_numbers(tmp_path: Path, seeds: Path) -> None:
    folder = tmp_path / "index"
    ingest([seeds], folder, HashingEncoder())
    app = create_app(lambda: Searcher(folder, HashingEncoder()))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert seen(client)["filrouge_ready"][()] == 1
        for path in folder.glob("index.sqlite*"):
            with path.open("r+b") as file:
                file.write(b"\xff" * path.stat().st_size)
        found = seen(client)
        assert (found["filrouge_ready"][()], found["filrouge_index_entries"][()]) == (0, 6)
        assert found["filrouge_requests_total"]


def test_a_client_that_leaves_before_its_answer_is_counted_as_gone() -> None:
    metrics = Metrics()

    async def leaves(scope: Any, receive: Any, send: Any) -> None:
        """An application that answers nobody."""

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Measured(leaves, metrics)({"type": "http", "method": "GET", "path": "/"}, nothing, nothing))
    labels = {"route": "none", "method": "GET", "status": GONE}
    assert metrics.registry.get_sample_value("filrouge_requests_total", labels) == 1


_WORKER = """
import os, sys
from pathlib import Path
from api.metrics import Metrics
from embed.stages import Account
metrics = Metrics(Path(sys.argv[1]))
spent = Account()
spent.seconds["read"] = 0.5
metrics.answered("/search", "GET", "200", 1.0, spent)
metrics.working.set(2)
print(os.getpid())
if len(sys.argv) > 2:
    print(metrics.text(None, ready=True).decode())
"""


def test_processes_that_share_a_folder_are_seen_as_one(tmp_path: Path, environment: Mapping[str, str]) -> None:
    printed = ""
    for more in ([], [], ["last"]):
        # One that ended is at work on nothing.
        if printed:
            forget(tmp_path, int(printed.splitlines()[0]))
        printed = subprocess.run(
            [sys.executable, "-c", _WORKER, str(tmp_path), *more],
            env={**environment, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    assert 'filrouge_requests_total{method="GET",route="/search",status="200"} 3.0' in printed
    assert 'filrouge_stage_seconds_sum{stage="read"} 1.5' in printed
    assert "filrouge_requests_working 2.0" in printed
    assert "filrouge_ready 1.0" in printed


# The guide and the dashboard


def described() -> dict[str, set[str]]:
    """Every metric that there is, as it is asked for, with its labels."""
    found: dict[str, set[str]] = {}
    for family in Metrics().registry.collect():
        # What a counter is asked for by.
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = set()
    metrics = Metrics()
    metrics.answered("/search", "GET", "200", 1.0, Account())
    metrics.build.labels("1", "m").set(1)
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            found[name] |= set(sample.labels) - {"le"}
    return found


def test_every_metric_is_in_the_guide_with_its_labels_and_no_other_is() -> None:
    table = re.search(r"^\| metric \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert table
    told = {}
    for line in table[1].splitlines():
        name, labels, *_ = (cell.strip() for cell in line.strip("|").split(" | "))
        told[name.strip("`")] = set(re.findall(r"`(\w+)`", labels))
    assert told == described()


def test_every_stage_and_every_cache_is_in_the_guide() -> None:
    for heading, names in (("stage", STAGES), ("cache", CACHES)):
        table = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
        assert table
        assert [line.split("`")[1] for line in table[1].splitlines()] == list(names)


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("query", queries())
def test_every_query_of_the_dashboard_names_metrics_and_labels_that_there_are(query: str) -> None:
    there = described()
    selectors = re.findall(r"((?:filrouge|process)_\w+)\{([^}]*)\}", query)
    assert selectors
    for name, inside in selectors:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in there or family in there, name
        labels = there.get(name, there.get(family, set()))
        assert set(re.findall(r"(\w+)[=!]~?\"", inside)) <= labels | {"job"}
        for label in re.findall(r"by \(([\w, ]+)\)", query):
            assert set(label.split(", ")) <= labels | {"le"}
    assert query.count("(") == query.count(")")


def test_the_dashboard_has_a_panel_for_every_metric_and_no_two_in_one_place() -> None:
    asked = set(re.findall(r"((?:filrouge|process)_\w+?)(?:_bucket|_sum|_count)?\{", " ".join(queries())))
    assert {name for name in described() if name.startswith("filrouge_")} <= asked
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_dashboard_is_installed() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "dashboard.json" in pyproject["tool"]["setuptools"]["package-data"]["api"]
