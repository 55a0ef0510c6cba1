"""Measures `voice-ai load` on JSON Lines: time, and the memory it needs at its peak.

Run from the repository root: `python benchmarks/load.py`. It writes a file of simulated calls,
loads it in a process of its own into DuckDB and an embedded PostgreSQL, loads it again, prints one
table and writes `load.json` next to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from scale import Figure, machine, measure, show

from voice_ai_analytics.postgres import embedded_postgres_server

# Of memory, in MB: for 5 GB of JSON Lines.
MEMORY_BAR = 1000.0
PROFILE = """
load:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: load.duckdb}
    postgres:
      type: postgres
      host: "{{ env_var('VOICE_AI_POSTGRES_HOST') }}"
      port: "{{ env_var('VOICE_AI_POSTGRES_PORT') | int }}"
      user: "{{ env_var('VOICE_AI_POSTGRES_USER') }}"
      password: ""
      dbname: "{{ env_var('VOICE_AI_POSTGRES_DATABASE') }}"
      schema: main
"""


def write_calls(file: Path, gigabytes: float, turns: int) -> int:
    """Write calls of a number of turns until the file is that large; return how many."""
    source = random.Random(1)  # noqa: S311, no secret
    words = [f"word{number}" for number in range(1000)]
    calls = 0
    with file.open("w", encoding="utf-8") as stream:
        while stream.tell() < gigabytes * 1e9:
            transcript = [
                {
                    "role": ("agent", "user")[turn % 2],
                    "content": " ".join(source.choices(words, k=12)),
                    "words": [
                        {"word": word, "start": turn + 0.1, "end": turn + 0.31}
                        for word in source.choices(words, k=4)
                    ],
                }
                for turn in range(turns)
            ]
            call = {
                "call_id": f"call_{calls}",
                "agent_id": "agent",
                "call_status": "ended",
                "start_timestamp": 1_767_600_000_000 + calls,
                "transcript_object": transcript,
            }
            stream.write(json.dumps(call) + "\n")
            calls += 1
    return calls


def figures_of(gigabytes: float, turns: int, console: Console) -> list[Figure]:
    """Return the figures of both engines."""
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        (project / "dbt_project.yml").write_text("name: load\nprofile: load\n")
        (project / "profiles.yml").write_text(PROFILE)
        file = project / "calls.jsonl"
        calls = write_calls(file, gigabytes, turns)
        size = file.stat().st_size
        console.print(f"{calls:,} calls, {size / 1e9:.1f} GB")
        with embedded_postgres_server(project / "postgres") as server:
            for engine in ("duckdb", "postgres"):
                command = [sys.executable, "-m", "voice_ai_analytics.cli", "load", "retell"]
                command += [str(file), "--target", engine]
                for what, added in (("a new file", calls), ("the same file again", 0)):
                    done = measure(command, project, {**os.environ, **server})
                    if f" {added:,} new" not in done.output:
                        raise SystemExit(f"{engine}: {done.output}")
                    speed = size / 1e6 / done.seconds
                    figures.append(Figure(engine, f"{what}, per second", speed, "MB"))
                    figures.append(Figure(engine, f"{what}, peak", done.peak_mb, "MB", MEMORY_BAR))
    return figures


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--turns", type=int, default=30, help="per call")
    options = parser.parse_args()
    console = Console()
    figures = figures_of(options.gigabytes, options.turns, console)
    show(figures, console)
    result = {
        "machine": machine(),
        "gigabytes": options.gigabytes,
        "figures": [asdict(figure) for figure in figures],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
