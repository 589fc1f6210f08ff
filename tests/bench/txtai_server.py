"""The txtai API under the same load as ours: the same model, passages, questions and writes."""

import http.client
import itertools
import json
import os
import threading
from pathlib import Path
from urllib.parse import urlencode

from embed import bundled
from embed.sample import sample_texts
from tests.bench.clients import TIMEOUT, WRITTEN, Answers, Call, hammer
from tests.bench.started import Started, started

_TXTAI = """
import sys, socket, uvicorn
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config("txtai.api:app", log_level="warning")).run(sockets=[listener])
"""
_CONFIG = """
writable: true
embeddings:
  path: {path}
  instructions: {{query: "query: ", data: "passage: "}}
  hybrid: true
  content: true
"""


def search(question: str) -> Call:
    """What its clients ask."""
    return "GET", "/search?" + urlencode({"query": question}), None


def post(server: Started, address: str, body: object) -> None:
    """Send JSON; raises `RuntimeError` for what is not answered well."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1800)
    method = "GET" if body is None else "POST"
    connection.request(method, address, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    told = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{address} answered {response.status}: {told[:200]!r}")


def rival(folder: Path, python: str, passages: int, clients: int, seconds: float, every: float) -> Answers:
    """The same load on the txtai API."""
    model = bundled.materialize(bundled.default_cache())
    (folder / "txtai.yml").write_text(_CONFIG.format(path=model), encoding="utf-8")
    env = {**os.environ, "CONFIG": str(folder / "txtai.yml"), "HF_HUB_OFFLINE": "1"}
    texts = sample_texts(passages, seed=21, lengths=(3,))
    later = sample_texts(10_000, seed=31, lengths=(3,))
    with started([python, "-c", _TXTAI], folder / "txtai.log", env) as server:
        for at in range(0, passages, 200):
            post(server, "/add", [{"id": str(n), "text": text} for n, text in enumerate(texts[at : at + 200], start=at)])
        post(server, "/index", None)
        done, faults = threading.Event(), []

        def writes() -> None:
            for number in itertools.count():
                some = [{"id": f"w{number}-{n}", "text": later[(WRITTEN * number + n) % len(later)]} for n in range(WRITTEN)]
                try:
                    post(server, "/add", some)
                    post(server, "/upsert", None)
                except (OSError, http.client.HTTPException, RuntimeError) as error:
                    faults.append(f"write: {error}")
                if done.wait(every):
                    return

        writer = threading.Thread(target=writes)
        writer.start()
        try:
            answers = hammer(server, search, clients, seconds)
        finally:
            done.set()
            writer.join(TIMEOUT)
        answers.faults += faults
        answers.statuses.update({"write failed": len(faults)} if faults else {})
    return answers
