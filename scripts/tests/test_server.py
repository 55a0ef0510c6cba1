"""The HTTP server's own limits, its page, and its CSV: what needs no warehouse."""

from __future__ import annotations

import csv
import io
import re
import resource
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pyarrow as pa
import pytest
import requests
from fastapi.testclient import TestClient

from voice_ai_analytics.metrics.query import csv_of
from voice_ai_analytics.serving import connections
from voice_ai_analytics.serving.serve import api_keys, create_app, server

KEYS = api_keys("dashboard=0123456789abcdef")
HEALTH = {"status": "ok"}
# A service that is well and answers nothing else.
WELL = SimpleNamespace(health=lambda: HEALTH, suppression=None)
HALF = b"POST /v1/query HTTP/1.1\r\nHost: a\r\nX-Slow: "


@contextmanager
def running(most: int, monkeypatch):
    """Run the server in a thread; yield its port."""
    monkeypatch.setattr(connections, "most_connections", lambda: most)
    running = server(create_app(WELL, KEYS), "127.0.0.1", 0, 1)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    yield running.servers[0].sockets[0].getsockname()[1]
    running.should_exit = True
    thread.join(timeout=10)


def connected(port: int, sent: bytes) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=10)
    one.sendall(sent)
    return one


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HALF,
        HALF.replace(b"X-Slow: ", b"Content-Length: 10\r\n\r\n{"),
        HALF.replace(
            b"X-Slow: ", b"Authorization: Bearer 0123456789abcdef\r\nContent-Length: 10\r\n\r\n{"
        ),
        # The second request on a connection.
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /hea",
    ],
)
def test_half_a_request_is_not_waited_for(monkeypatch, sent) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with running(10, monkeypatch) as port, connected(port, sent) as one:
        received = b""
        try:
            while block := one.recv(65536):
                received += block
        except ConnectionResetError:
            pass
        assert received.count(b"HTTP/1.1") <= 1
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).json() == HEALTH


def test_many_half_requests_keep_nobody_out(monkeypatch) -> None:
    with running(20, monkeypatch) as port:
        slow = [connected(port, HALF) for _ in range(100)]
        for _ in range(5):
            assert requests.get(f"http://127.0.0.1:{port}/health", timeout=5).json() == HEALTH
        for one in slow:
            one.close()


def test_fewer_connections_than_files() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert connections.most_connections() + connections.BACKLOG < files


def test_a_flood_of_connections_fills_no_log() -> None:
    # Where a process may open few files, asyncio writes a traceback for each it can't.
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))\n"
        "from types import SimpleNamespace\n"
        "from voice_ai_analytics.serving.serve import api_keys, create_app, server\n"
        "well = SimpleNamespace(health=lambda: {'status': 'ok'}, suppression=None)\n"
        "app = create_app(well, api_keys('dashboard=0123456789abcdef'))\n"
        "one = server(app, '127.0.0.1', 0, 1); start = one._log_started_message\n"
        "def told(sockets):\n"
        "    start(sockets); print(sockets[0].getsockname()[1], flush=True)\n"
        "one._log_started_message = told; one.run()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        port = int(process.stdout.readline())
        with ThreadPoolExecutor(16) as pool:
            slow = list(pool.map(lambda _: connected(port, HALF), range(600)))
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).json() == HEALTH
        for one in slow:
            one.close()
        process.terminate()
        _, log = process.communicate(timeout=30)
    assert len(log) < 1000, log[:1000]


def test_the_page_loads_nothing_and_describes_every_request() -> None:
    http = TestClient(create_app(WELL, KEYS))
    answer = http.get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text
    assert not re.findall(r"(?:src|href)=\"(?!openapi\.json\")", answer.text)
    described = http.get("/openapi.json").json()["paths"]
    assert len(described) == 6
    for path in described:
        assert path in answer.text
    assert "Last day of metric_time, UTC." in answer.text
    assert http.get("/redoc").status_code == 404


def test_a_long_path_is_a_short_line_of_the_log(caplog) -> None:
    with caplog.at_level("INFO", logger="voice_ai.requests"):
        TestClient(create_app(WELL, KEYS)).get("/" + "x" * 10_000)
    assert len(caplog.records[-1].message) < 400


def test_no_cell_of_a_csv_is_a_formula() -> None:
    texts = ["=1+1", "+1", "-1", "@sum(a1)", "\tx", "\r=1", "plain", "a=b", "", None]
    table = pa.table({"said": texts, "number": pa.array(range(-1, len(texts) - 1))})
    rows = list(csv.DictReader(io.StringIO(csv_of(table).decode(), newline="")))
    assert [row["said"] for row in rows] == [
        *("'" + text for text in texts[:6]),
        *("plain", "a=b", "", ""),
    ]
    # Numbers stay numbers.
    assert rows[0]["number"] == "-1"
