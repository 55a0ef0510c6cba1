"""A platform's raw table has every payload of its files once, whatever is loaded in which order."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from consumer import ENGINES

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.payloads import store
from voice_ai_analytics.payloads.load import load_payloads
from voice_ai_analytics.platforms import PLATFORMS

RETELL = PLATFORMS["retell"]


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer):
    project = consumer(None, request.param)
    (project.directory / "dbt_project.yml").write_text(
        "name: loading\nprofile: consumer\nvars: {voice_ai_source_schema: raw}\n"
    )
    return project


@pytest.fixture
def load(project, monkeypatch, tmp_path):
    """Return a function that writes files and loads them; the project has no raw tables."""
    project.rows("drop schema if exists raw cascade")
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def write_and_load(files, platform="retell", table=None):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        dbt = DbtProject(project.directory)
        return load_payloads(dbt, PLATFORMS[platform], list(files), table)

    return write_and_load


def call(number, **more):
    return {"call_id": f"c{number}", "agent_id": "a", "call_status": "ended"} | more


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def rows(project, table="retell"):
    found = project.rows(
        f"select cast(payload as text), source_file, position, content_hash from raw.{table}"
        " order by source_file, position, loaded_at"
    )
    return [(json.loads(text), *rest) for text, *rest in found]


def test_payloads_arrive_as_they_are(project, load):
    texts = ['{"call_id": "é\\n\\"",  "x": 1.50, "y": [1, {"z": null}]}', "12", '"x"', "null"]
    result = load({"calls/a.jsonl": "\n".join(texts)})
    assert (result.total, result.added, result.files, result.warnings) == (4, 4, 1, [])
    assert rows(project) == [
        (json.loads(text), "calls/a.jsonl", position, sha256(text.encode()).hexdigest())
        for position, text in enumerate(texts, start=1)
    ]
    types = dict(
        project.rows(
            "select column_name, lower(data_type) from information_schema.columns"
            " where table_schema = 'raw' and table_name = 'retell'"
        )
    )
    assert types.pop("loaded_at").startswith("timestamp")
    text = "varchar" if project.engine == "duckdb" else "text"
    payload = "json" if project.engine == "duckdb" else "jsonb"
    assert types == {
        "payload": payload,
        "source_file": text,
        "position": "bigint",
        "content_hash": text,
    }
    # One instant per load, in UTC.
    ((instants, away),) = project.rows(
        "select count(distinct loaded_at), max(abs(extract(epoch from"
        " (cast(current_timestamp at time zone 'UTC' as timestamp) - loaded_at)))) from raw.retell"
    )
    assert instants == 1
    assert away < 600


def test_the_same_file_adds_nothing_and_a_grown_one_what_is_new(project, load):
    first = load({"a.jsonl": lines(call(1), call(2))})
    again = load({"a.jsonl": lines(call(1), call(2))})
    grown = load({"a.jsonl": lines(call(1), call(2), call(3))})
    changed = load({"b.jsonl": lines(call(1), call(2, call_status="error"), call(3), call(3))})
    assert [one.added for one in (first, again, grown, changed)] == [2, 0, 1, 1]
    assert [(value["call_id"], value["call_status"]) for value, *_ in rows(project)] == [
        ("c1", "ended"),
        ("c2", "ended"),
        ("c3", "ended"),
        ("c2", "error"),
    ]


def test_many_batches_are_as_one(project, load, monkeypatch):
    monkeypatch.setattr(store, "BATCH", 200)
    calls = [call(number % 70) for number in range(100)]
    result = load({"a.jsonl": lines(*calls), "b.json": json.dumps(calls)})
    assert (result.total, result.added) == (200, 70)
    assert {value["call_id"] for value, *_ in rows(project)} == {f"c{n}" for n in range(70)}
    assert len(rows(project)) == 70


def test_what_cannot_be_read_is_kept_with_its_place(project, load):
    long = '{"call_id": "' + "x" * 50_000_000 + '"}'
    content = f'{lines(call(1))}{{"call_id":\n'.encode() + b'{"call_id":"\xff"}\n' + long.encode()
    result = load({"a.jsonl": content})
    assert [value for value, *_ in rows(project)] == [
        call(1),
        '{"call_id":',
        '{"call_id":"\ufffd"}',
        long,
    ]
    assert [place for _, *place, _ in rows(project)] == [["a.jsonl", n] for n in (1, 2, 3, 4)]
    assert result.warnings == [
        "3 of 4 payloads can't be read and are kept as text, which the build quarantines:"
        " 1 no valid JSON, such as a.jsonl at 2; 1 no valid UTF-8, such as a.jsonl at 3;"
        " 1 longer than 16 MB, such as a.jsonl at 4"
    ]
    assert load({"a.jsonl": content}).added == 0


def test_text_that_an_engine_cannot_hold_fails_no_load(project, load):
    texts = [r'{"call_id": "a\u0000b", "x": "\ud800"}', '{"y": 1e999999}', '{"y": 1}']
    result = load({"a.jsonl": "\n".join(texts)})
    first, second, third = (value for value, *_ in rows(project))
    assert (first, third) == ({"call_id": "ab", "x": "\ufffd"}, {"y": 1})
    if project.engine == "postgres":
        assert second == texts[1]
        assert "1 of 3 payloads can't be read" in result.warnings[0]
        assert "1 too large for PostgreSQL, such as a.jsonl at 2" in result.warnings[0]
    else:
        assert (second, result.warnings) == ({"y": float("inf")}, [])


def test_another_platforms_payloads_are_refused_before_anything_is_written(project, load):
    load({"a.jsonl": lines(call(1))})
    vapi = [{"id": str(number), "orgId": "o", "type": "webCall"} for number in range(30)]
    with pytest.raises(UserError) as refused:
        load({"b.jsonl": lines(call(2)), "c.json": json.dumps({"results": vapi})})
    assert str(refused.value) == (
        "c.json: these look like Vapi payloads, not Retell payloads; load them as vapi, on their"
        " own"
    )
    assert [value for value, *_ in rows(project)] == [call(1)]
    # One stray among its own is left to quarantine.
    assert load({"d.jsonl": lines(vapi[0], call(3))}).added == 2


def test_lines_without_a_time_are_told_apart_by_their_place(project, load):
    talk = "conversation,speaker,text,time\nc,user,yes,\nc,bot,sure?,\nc,user,yes,\n"
    timed = "conversation,speaker,text,time\nc,user,yes,10:00\nc,user,yes,10:00\n"
    assert load({"talk.csv": talk}, "transcripts").added == 3
    assert load({"copy.csv": talk}, "transcripts").added == 0
    assert load({"talk.csv": talk + "c,user,yes,\n"}, "transcripts").added == 1
    assert load({"timed.csv": timed}, "transcripts").added == 1
    assert [value["text"] for value, *_ in rows(project, "transcripts")] == [
        *("yes", "sure?", "yes", "yes"),
        "yes",
    ]


def test_csv_of_a_platform_that_gives_json_is_refused(load):
    with pytest.raises(UserError, match=r"a\.csv: Retell is read from JSON"):
        load({"a.csv": "call_id\n1\n"})


def test_another_table_can_be_named(project, load):
    assert load({"a.json": json.dumps(call(1))}, table="retell_eu").table == "raw.retell_eu"
    assert len(rows(project, "retell_eu")) == 1
    project.rows("create table raw.mine (call_id text)")
    with pytest.raises(UserError, match=r"raw\.mine: this table was not made by voice-ai load"):
        load({"a.json": json.dumps(call(1))}, table="raw.mine")
    for name in ("", "a.b.c", ".x"):
        with pytest.raises(UserError, match="name it as table or"):
            load({"a.json": json.dumps(call(1))}, table=name)


def test_the_command_says_what_it_did(project, load, tmp_path):
    load({"calls/a.jsonl": lines(call(1))})
    (tmp_path / "calls" / "b.jsonl").write_text('{"call_id":\n')
    done = project.command("voice-ai", "load", "retell", str(tmp_path / "calls"))
    assert "Retell: 2 payloads in 2 files, 1 new, 1 already there; table raw.retell" in done.stdout
    assert "voice_ai_platforms: [retell]; then dbt build" in done.stdout
    assert done.stderr.startswith("voice-ai: 1 of 2 payloads can't be read")
    assert len(done.stderr.splitlines()) == 1
    refused = project.command("voice-ai", "load", "retel", "calls", check=False)
    assert (refused.returncode, refused.stderr) == (
        2,
        "voice-ai: retel: no such platform; did you mean retell?\n",
    )
