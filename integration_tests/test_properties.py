"""Properties of the incremental build, for random event streams in random batches.

Hypothesis draws hundreds of small streams. They go through dbt side by side, each as its own
platform with its own users, and the package builds after each batch. The tests compare the result
with a full refresh and with what streams.py expects.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from consumer import ENGINES
from streams import (
    BAD,
    BATCHES,
    COLUMNS,
    IDS,
    IMPOSSIBLE,
    LOADS,
    Stream,
    Undecided,
    at,
    draw_streams,
)

IS_FULL = os.environ.get("VOICE_AI_FAULTS") == "full"
# Streams go through dbt in bundles. PostgreSQL gets every fourth stream, all of them in a full run.
STREAMS = 500 if IS_FULL else 200
STEPS = {"duckdb": 1, "postgres": 1 if IS_FULL else 4}
BUNDLES = 6 if IS_FULL else 1
LAST = BATCHES - 1

PROJECT = """\
name: properties
profile: consumer
vars: {voice_ai_snapshot: false, voice_ai_semantic_models: false, voice_ai_time_spine: false}
"""
# The latest start overall, which decides which callbacks are known, advances with each batch.
HORIZONS = [at(9, 10), at(9, 20), at(10, 10)]
CLOCK = [
    {
        "platform": "clock",
        "session_id": f"clock/{batch}",
        "started_at": f"{HORIZONS[batch]}",
        "loaded_at": f"{LOADS[batch]}",
    }
    for batch in range(BATCHES)
]
STREAM_NAME = re.compile(r"\b(p\d+|clock)\b")


@dataclass
class State:
    """What dbt built: by stream, the fact by session id and the rows in quarantine."""

    fact: dict = field(default_factory=lambda: defaultdict(dict))
    quarantine: dict = field(default_factory=lambda: defaultdict(Counter))
    accounted: dict = field(default_factory=dict)
    is_full_build: bool = True


@dataclass
class Bundle:
    """Streams that went through dbt together, and the state after each build."""

    streams: list[Stream]
    seed: int | None
    states: dict = field(default_factory=dict)

    def raw(self, table, batch):
        """Return all rows of a raw table after a batch."""
        clock = CLOCK[: batch + 1] if table == "sessions" else []
        return [row for stream in self.streams for row in stream.raw(table, batch)] + clock

    def check(self, find):
        """Fail if `find` returns anything, and show one failing stream with its rows."""
        found = [(stream, told) for stream in self.streams if (told := find(stream))]
        if not found:
            return
        stream, told = min(found, key=lambda pair: len(str(pair)))
        rows = [
            f"batch {batch}, {table}: {row}"
            for batch in range(BATCHES)
            for table in COLUMNS
            for row in stream.raw(table, batch)
            if batch == 0 or row not in stream.raw(table, batch - 1)
        ]
        rows += [
            f"gone by batch {batch}, {table}: {row}"
            for batch in range(1, BATCHES)
            for table in COLUMNS
            for row in stream.raw(table, batch - 1)
            if row not in stream.raw(table, batch)
        ]
        ways = f"which {stream.loader}, s1 leaves by batch {stream.s1_leaves}"
        first = f"{len(found)} streams fail (seed {self.seed}); {stream.name} is one, {ways}"
        pytest.fail("\n".join([first, *rows, *told]), pytrace=False)


def write(project, table, columns, rows):
    """Replace a raw table's rows."""

    def values(row):
        texts = (row.get(column) for column in columns)
        return ", ".join("null" if text is None else f"'{text}'" for text in texts)

    project.rows(f"delete from voice_ai_raw.{table}")
    project.rows(
        f"insert into voice_ai_raw.{table} ({', '.join(columns)}) values "
        + ", ".join(f"({values(row)})" for row in rows)
    )


def read(project, schema, table):
    """Return a table's rows as dictionaries."""
    columns = project.rows(
        "select column_name from information_schema.columns"
        f" where table_schema = '{schema}' and table_name = '{table}' order by ordinal_position"
    )
    names = [name for (name,) in columns]
    return [
        dict(zip(names, row, strict=True))
        for row in project.rows(f"select * from {schema}.{table}")
    ]


def state_of(project):
    """Return what dbt built in a project."""
    state = State()
    for row in read(project, "main_voice_ai", "fact_voice_ai_sessions"):
        sessions = state.fact[row["platform"]]
        assert row["session_id"] not in sessions, f"twice in the fact: {row}"
        sessions[row["session_id"]] = row
    for table in COLUMNS:
        for row in read(project, "main_voice_ai_staging", f"quarantine_voice_ai__{table}"):
            ids = (str(row.get(name)) for name in IDS)
            name = STREAM_NAME.search(" ".join(ids))
            state.quarantine[name and name[0]][table, *row.items()] += 1
    for row in read(project, "main_voice_ai_staging", "quarantine_voice_ai__values"):
        table = f"values of {row['table_name']}"
        state.quarantine[row["platform"]][table, *row.items()] += 1
    for row in read(project, "main_voice_ai", "voice_ai_row_accounting"):
        state.accounted[row["table_name"]] = row
    builds = read(project, "main_voice_ai", "voice_ai_builds")
    state.is_full_build = max(builds, key=lambda build: build["certified_at"])["is_full"]
    return state


@pytest.fixture(
    scope="module",
    params=[f"{engine} {number}" for engine in ENGINES for number in range(BUNDLES)],
)
def bundle(request, consumer):
    """Build after each batch, then from scratch, then from scratch on rows in another order."""
    engine, number = request.param.split()
    project = consumer(None, engine)
    (project.directory / "dbt_project.yml").write_text(PROJECT)
    project.rows("create schema voice_ai_raw")
    seed = random.randrange(2**32) if IS_FULL else None
    # Every build reads all users if their rows don't say when they were loaded.
    streams = [
        replace(stream, users_are_dated=engine == "duckdb" or int(number) % 2 == 1)
        for stream in draw_streams(STREAMS, seed)[:: STEPS[engine]]
    ]
    bundle = Bundle(streams, seed)
    for table in COLUMNS:
        columns = " text, ".join(streams[0].columns(table))
        project.rows(f"create table voice_ai_raw.{table} ({columns} text)")
    shuffle = random.Random(number).shuffle

    def build(batch, name, *arguments):
        for table in COLUMNS:
            rows = bundle.raw(table, batch)
            shuffle(rows)
            write(project, table, bundle.streams[0].columns(table), rows)
        project.dbt("build", *arguments, "--exclude-resource-types", "test", "unit_test")
        bundle.states[name] = state_of(project)

    for batch in range(BATCHES):
        build(batch, batch)
    for name in REBUILDS:
        build(LAST, name, "--full-refresh")
    return bundle


REBUILDS = ("rebuild", "rebuild of the same rows in another order")


def differences(fact, other_fact, quarantine, other_quarantine):
    """Return how two facts and two quarantines of a stream differ, in the columns of the second."""
    found = [f"only in one fact: {key}" for key in fact.keys() ^ other_fact.keys()]
    for key in fact.keys() & other_fact.keys():
        found += [
            f"{key}: {column} is {fact[key].get(column)!r}, not {value!r}"
            for column, value in other_fact[key].items()
            if not is_same(fact[key].get(column), value)
        ]
    found += [f"quarantined wrongly: {row}" for row in (quarantine - other_quarantine).elements()]
    found += [f"not quarantined: {row}" for row in (other_quarantine - quarantine).elements()]
    return found


def is_same(one, other):
    """Return whether values are equal, or sums equal except for their last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other


@pytest.mark.parametrize("rebuild", REBUILDS)
def test_batches_and_a_rebuild_in_any_order_give_the_same(bundle, rebuild):
    one, other = bundle.states[LAST], bundle.states[rebuild]

    def find(stream):
        name = stream.name
        return differences(
            one.fact[name], other.fact[name], one.quarantine[name], other.quarantine[name]
        )

    bundle.check(find)
    # Rows without any id belong to no stream.
    assert one.quarantine[None] == other.quarantine[None]
    assert one.fact["clock"] == other.fact["clock"]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_row_is_counted_or_quarantined(bundle, batch):
    state = bundle.states[batch]
    sessions = [
        row
        for found in state.fact.values()
        for row in found.values()
        if not row["is_deleted_upstream"]
    ]
    staged = {
        "sessions": len(sessions),
        "turns": sum(row["turn_count"] for row in sessions),
        "users": sum(len(stream.good_users(batch)) for stream in bundle.streams),
    }
    quarantined = Counter(row[0] for rows in state.quarantine.values() for row in rows.elements())
    for table in COLUMNS:
        raw = len(bundle.raw(table, batch))
        assert staged[table] + quarantined[table] == raw, table
        columns = ("raw_rows", "staged_rows", "quarantined_rows")
        found = tuple(state.accounted[table][column] for column in columns)
        assert found == (raw, staged[table], quarantined[table]), table


@pytest.mark.parametrize("state", [*range(BATCHES), *REBUILDS])
def test_fact_and_quarantine_are_what_is_owed(bundle, state):
    batch = state if state in range(BATCHES) else LAST
    undecided = []

    def find(stream):
        try:
            fact, quarantine = stream.owed(batch, HORIZONS[batch])
        except Undecided:
            undecided.append(stream)
            return []
        found = Counter(
            stream.label(table, row, row["quarantine_reasons"].split(", "))
            for table, *items in bundle.states[state].quarantine[stream.name].elements()
            for row in [dict(items)]
        )
        return differences(bundle.states[state].fact[stream.name], fact, found, quarantine)

    bundle.check(find)
    assert len(undecided) < len(bundle.streams) / 2


def test_only_the_first_batch_and_rebuilds_read_everything(bundle):
    full = [name for name, state in bundle.states.items() if state.is_full_build]
    assert full == [0, *REBUILDS]


def test_the_streams_hold_what_can_go_wrong(bundle):
    """Without them, the other tests would prove nothing."""
    first, last = bundle.states[0], bundle.states[LAST]
    reasons = {
        reason
        for rows in last.quarantine.values()
        for _, *items in rows
        for reason in dict(items)["quarantine_reasons"].split(", ")
    }
    own = {reason for texts in BAD.values() for told in texts.values() for reason in told.values()}
    own |= {f"impossible_{column}" for texts in IMPOSSIBLE.values() for column in texts}
    assert reasons >= {"duplicate", "ended_before_started", "quarantined_session"}
    assert len(reasons & own) > len(own) / 2

    pairs = [
        (first.fact[name][key], row)
        for name, rows in last.fact.items()
        for key, row in rows.items()
        if key in first.fact[name]
    ]
    events = {
        "loses a turn": lambda before, after: after["turn_count"] < before["turn_count"],
        "gets another outcome": lambda before, after: after["outcome"] != before["outcome"],
        "gets another user": lambda before, after: after["user_key"] != before["user_key"],
        "gets an earlier neighbour": lambda before, after: (
            (after["user_session_number"] or 0) > (before["user_session_number"] or 0)
        ),
        "turns out to be called back": lambda before, after: (
            after["is_called_back_24h"] and not before["is_called_back_24h"]
        ),
        "is deleted at the source": lambda before, after: after["is_deleted_upstream"],
        "never has a turn": lambda before, after: not after["turn_count"] + before["turn_count"],
    }
    counts = {
        name: [bool(happened(*pair)) for pair in pairs].count(True)
        for name, happened in events.items()
    }
    assert min(counts.values()) > 0, counts


def test_the_streams_hold_the_ways_of_sources(bundle):
    """Without them, the other tests would prove nothing."""
    found = Counter()
    for stream in bundle.streams:
        sessions_of = defaultdict(set)
        for row in stream.raw("turns", LAST):
            sessions_of[row["turn_id"]].add(row["session_id"])
        found["a turn id in several sessions"] += any(len(of) > 1 for of in sessions_of.values())
        for batch in range(1, BATCHES):
            came, went = {}, {}
            for table in COLUMNS:
                before, now = (
                    Counter(tuple(row.items()) for row in stream.raw(table, number))
                    for number in (batch - 1, batch)
                )
                came[table], went[table] = now - before, before - now
                found[f"{table} leave"] += bool(went[table])
                found[f"{table} come late"] += any(
                    (dict(row).get("loaded_at") or "9") < f"{LOADS[0] - timedelta(days=1)}"
                    for row in came[table]
                )
            found["one session leaves and another comes"] += (
                came["sessions"].total() == went["sessions"].total() > 0
            )
    ways = {f"{table} {way}" for table in COLUMNS for way in ("leave", "come late")}
    if not bundle.streams[0].users_are_dated:
        ways -= {"users come late"}
    ways |= {"a turn id in several sessions", "one session leaves and another comes"}
    assert [way for way in ways if not found[way]] == [], found
