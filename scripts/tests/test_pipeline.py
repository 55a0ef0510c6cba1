"""One runner for every analysis: a file and tables, or neither."""

import json
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from voice_ai_analytics import pipeline
from voice_ai_analytics.analysis import Source
from voice_ai_analytics.errors import UserError


class Result:
    """The result of an analysis that adds numbers."""

    exit_code = 0

    def __init__(self, total: int) -> None:
        self.verdict = f"The total is {total}."
        self.total = total

    def to_json(self) -> dict:
        return {"verdict": self.verdict, "total": self.total}

    def tables(self) -> dict[str, pd.DataFrame]:
        return {"voice_ai_total": pd.DataFrame([{"total": self.total}])} if self.total else {}


class Warehouse:
    """Records what was written, and in which transaction."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses, self.written = refuses, []

    def write_tables(self, tables, transaction=None) -> None:
        if self.refuses:
            raise UserError("the database refuses")
        self.written += list(tables)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the analysis of some numbers; return its file's content, and what was written."""

    def call(*numbers: int, refuses: bool = False, as_of: str | None = None, project=True):
        warehouse = Warehouse(refuses)
        found = SimpleNamespace(estimate=lambda source, numbers: Result(sum(numbers)))
        monkeypatch.setitem(pipeline.ANALYSES, "add", "additions")
        monkeypatch.setitem(sys.modules, "additions.estimate", found)
        monkeypatch.setitem(sys.modules, "additions", SimpleNamespace(__path__=[]))
        monkeypatch.setattr(pipeline, "_source", lambda *_: Source(project, warehouse, "sessions"))
        path = tmp_path / "result.json"
        try:
            pipeline.run_analysis("add", project, path, as_of, numbers=numbers)
        except UserError:
            return path.exists(), warehouse.written
        return json.loads(path.read_text(encoding="utf-8")), warehouse.written

    return call


def test_a_result_is_a_file_and_tables(run):
    document, written = run(1, 2)
    assert document == {"as_of": None, "verdict": "The total is 3.", "total": 3}
    assert written == ["voice_ai_total"]


def test_a_refused_table_leaves_no_file(run):
    assert run(1, 2, refuses=True) == (False, [])


@pytest.mark.parametrize(
    ("numbers", "options"),
    [((), {}), ((1,), {"as_of": "2024-03-04T12:00:00Z"}), ((1,), {"project": None})],
    ids=["no tables", "the past", "no project"],
)
def test_the_warehouse_stays_as_it_was(run, numbers, options):
    document, written = run(*numbers, **options)
    assert written == []
    assert document["as_of"] == options.get("as_of", None)
