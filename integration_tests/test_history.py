"""History: a scripted week of builds, and what can be read of it later.

One story per engine. Each day the raw tables change, dbt builds, and the fact and some metrics are
copied. Then every moment that the build wrote is moved to six in the morning of the scripted day.
Neither the user's clock nor the database's is set to UTC.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from consumer import ENGINES, Consumer
from statsmodels.duration.survfunc import SurvfuncRight

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.history.as_of import as_of_moment, as_of_sessions
from voice_ai_analytics.history.query import metric_query, query_metrics

PROJECT = """\
name: history
profile: consumer
vars:
  "dbt_date:time_zone": UTC
  voice_ai_user_attributes: [plan]
"""
# What a consumer would write.
MODEL = """\
{{ config(materialized='view') }}
select * from {{ voice_ai_analytics.sessions_as_of("'2024-03-05'") }} as sessions
"""
DAYS = [f"2024-03-0{number}" for number in range(4, 9)]
FACT = "main_voice_ai.fact_voice_ai_sessions"
OUTCOMES = "main_voice_ai.voice_ai_session_outcomes"
CHANGES = "main_voice_ai.fact_voice_ai_outcome_changes"
SESSIONS = (
    "session_id, platform, user_id, channel, started_at, duration_seconds, outcome_raw,"
    " transfer_reason, asr_model, csat_score, loaded_at"
)
TURNS = "turn_id, session_id, platform, turn_index, speaker, asr_confidence, error_type, loaded_at"
USERS = "user_id, region, has_disability, plan, loaded_at"
QUERIES = [
    metric_query(
        "voice_ai_sessions,voice_ai_users,voice_ai_completion_rate,voice_ai_abandonment_rate,"
        "voice_ai_transfer_rate,voice_ai_containment_rate,voice_ai_turns_per_session,"
        "voice_ai_error_turn_rate,voice_ai_asr_confidence,voice_ai_handle_time_seconds,"
        "voice_ai_csat_top_box_rate",
        "voice_ai_session__region",
    ),
    metric_query("voice_ai_repeat_user_rate,voice_ai_callback_rate_24h,voice_ai_sessions"),
    metric_query("voice_ai_weekly_active_users", "metric_time__day"),
    metric_query("voice_ai_completion_rate", "metric_time__week,voice_ai_session__asr_model"),
    metric_query("voice_ai_voice_completion_gap,voice_ai_return_after_abandonment_rate_7d"),
]


def session(number, user, start, outcome="completed", reason="", model="asr-1", rating=""):
    channel = "voice" if number % 2 else "chat"
    row = [f"s{number}", "bot", user, channel, f"2024-03-{start}:00", "60", outcome, reason, model]
    return [*row, rating]


def turn(session_number, index, confidence="0.75", error=""):
    speaker = "user" if index % 2 else "assistant"
    row = [f"t{session_number}-{index}", f"s{session_number}", "bot", str(index), speaker]
    return [*row, confidence if speaker == "user" else "", error]


def insert(project, day, table, *rows):
    """Insert rows, loaded an hour before the day's build."""
    loaded = [[*row, f"{DAYS[day]} 05:00:00"] for row in rows]
    values = ", ".join(
        "(" + ", ".join(f"'{value}'" if value else "null" for value in row) + ")" for row in loaded
    )
    project.rows(f"insert into voice_ai_raw.{table} values {values}")


def change(project, day, table, assignments, where):
    project.rows(
        f"update voice_ai_raw.{table} set {assignments}, loaded_at = '{DAYS[day]} 05:00:00'"
        f" where {where}"
    )


def monday(project):
    project.rows("create schema voice_ai_raw")
    for name, columns in {"sessions": SESSIONS, "turns": TURNS, "users": USERS}.items():
        project.rows(f"create table voice_ai_raw.{name} ({columns.replace(',', ' text,')} text)")
    insert(
        project,
        0,
        "sessions",
        session(1, "u1", "01 10:00"),
        session(2, "u2", "04 01:00", "in_progress"),
        session(3, "u1", "03 20:00", "abandoned"),
        session(4, "u3", "02 10:00", "transferred", "asked"),
        session(5, "u2", "02 11:00", rating="3"),
        session(6, "", "03 10:00"),
    )
    turns = [turn(number, index) for number in range(1, 7) for index in (1, 2)]
    insert(project, 0, "turns", *turns, turn(1, 3, "0.25", "noise"))
    users = [("u1", "rural", "yes", "basic"), ("u2", "urban", "no", "basic"), ("u3", "", "", "")]
    insert(project, 0, "users", *users)


def tuesday(project):
    """A late turn, an outcome, and sessions that follow others: one within a day."""
    insert(project, 1, "sessions", session(7, "u1", "04 19:00"), session(8, "u4", "04 20:00"))
    insert(project, 1, "turns", turn(1, 5, "0.5"), turn(7, 1), turn(8, 1))
    change(project, 1, "sessions", "outcome_raw = 'completed'", "session_id = 's2'")


def wednesday(project):
    """A rating comes late, an ASR model was wrong, a user has moved and changed plans."""
    change(project, 2, "sessions", "csat_score = '5'", "session_id = 's3'")
    change(project, 2, "sessions", "asr_model = 'asr-2'", "session_id = 's5'")
    change(project, 2, "users", "plan = 'gold', region = 'rural'", "user_id = 'u2'")


def thursday(project):
    """Sessions leave the source, go to quarantine, and come under another id."""
    project.rows("delete from voice_ai_raw.sessions where session_id in ('s6', 's8')")
    change(project, 3, "sessions", "started_at = 'soon'", "session_id = 's4'")
    change(project, 3, "sessions", "outcome_raw = 'abandoned'", "session_id = 's1'")
    insert(project, 3, "sessions", session(18, "u4", "04 20:00"), session(9, "u2", "06 10:00"))


def friday(project):
    """One comes back, one is cured, a rating is withdrawn."""
    insert(project, 4, "sessions", session(6, "", "03 10:00"), session(10, "u3", "07 10:00"))
    cured = "started_at = '2024-03-02 10:00:00', transfer_reason = 'complaint'"
    change(project, 4, "sessions", cured, "session_id = 's4'")
    change(project, 4, "sessions", "csat_score = null", "session_id = 's5'")


SCRIPT = [monday, tuesday, wednesday, thursday, friday]


class Story:
    """A project after its week, and the copies taken each day."""

    def __init__(self, project: Consumer) -> None:
        self.project, self.answers, self.moments, self.reads = project, {}, [], []

    def build(self, *more: str) -> None:
        # What tests reject is covered in test_gate.
        self.project.dbt("build", "--exclude-resource-type", "unit_test", "test", *more)

    def live(self, day: int) -> None:
        began = datetime.now(UTC).replace(tzinfo=None)
        SCRIPT[day](self.project)
        if day == 2:
            # The fact changes without a snapshot, which the next build must notice.
            self.project.dbt("run")
        self.build()
        self.moments.append((began, self.written(), datetime.now(UTC).replace(tzinfo=None)))
        build = "main_voice_ai_staging.int_voice_ai__build"
        self.reads.append(
            self.project.rows(f"select is_full, is_history_whole, keeps_history from {build}")[0]
        )
        self.project.rows(f"create table main.fact_{day} as select * from {FACT}")
        self.answers[day] = [self.ask(query) for query in QUERIES]
        self.move_to(f"{DAYS[day]} 06:00:00")

    def written(self) -> list[datetime]:
        """Return the moments that a build wrote into the snapshot."""
        return [
            moment
            for (moment,) in self.project.rows(
                f"select dbt_valid_from from {OUTCOMES} where dbt_valid_from > '2024-12-31'"
                f" union select dbt_valid_to from {OUTCOMES} where dbt_valid_to > '2024-12-31'"
            )
        ]

    def move_to(self, moment: str) -> None:
        """Backdate everything written in the clock's year to a moment."""
        snapshot = ("dbt_valid_from", "dbt_valid_to", "dbt_updated_at")
        for table, columns in {
            OUTCOMES: snapshot,
            "main_voice_ai.voice_ai_builds": ("started_at", "certified_at"),
            "main_voice_ai_staging.int_voice_ai__build": ("started_at",),
            "main_voice_ai_staging.int_voice_ai__users": ("changed_at",),
        }.items():
            for column in columns:
                self.project.rows(
                    f"update {table} set {column} = '{moment}' where {column} > '2024-12-31'"
                )

    @contextmanager
    def here(self):
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.project.environment.items():
                if name.startswith("VOICE_AI"):
                    environment.setenv(name, value)
            yield DbtProject(self.project.directory)

    def ask(self, query, as_of: str | None = None):
        with self.here() as project:
            return query_metrics(project, query, as_of).table

    def rows_as_of(self, text: str, columns: str) -> list[tuple]:
        with self.here() as project:
            past = as_of_sessions(project, as_of_moment(text))
        return self.project.rows(f"select {columns} from {past} as past order by session_key")

    def copied(self, day: int) -> tuple[list[tuple], str]:
        """Return a day's copy of the fact, and its columns."""
        schema = "main_voice_ai"
        columns = ", ".join(
            f'"{name}"'
            for (name,) in self.project.rows(
                "select column_name from information_schema.columns"
                f" where table_schema = '{schema}' and table_name = 'fact_voice_ai_sessions'"
                " order by ordinal_position"
            )
        )
        return self.project.rows(
            f"select {columns} from main.fact_{day} order by session_key"
        ), columns


@pytest.fixture(scope="module", params=ENGINES)
def story(request, consumer) -> Story:
    project = consumer(None, request.param)
    project.environment |= {"TZ": "America/New_York", "PGTZ": "America/New_York"}
    (project.directory / "dbt_project.yml").write_text(PROJECT, encoding="utf-8")
    (project.directory / "models").mkdir()
    (project.directory / "models" / "known_on_tuesday.sql").write_text(MODEL, encoding="utf-8")
    told = Story(project)
    for day in range(len(DAYS)):
        told.live(day)
    told.build("--select", "fact_voice_ai_outcome_changes+")
    return told


def test_each_build_writes_one_moment_in_utc(story) -> None:
    for began, written, ended in story.moments:
        (moment,) = set(written) - {None}
        assert began <= moment <= ended


def test_all_of_the_fact_is_compared_only_where_history_may_have_missed_something(story) -> None:
    all_of_it, what_is_new = (False, False, True), (False, True, True)
    assert story.reads == [(True, False, True), what_is_new, all_of_it, what_is_new, what_is_new]


CLOCK = {day: datetime(2024, 3, 4 + day, 6) for day in range(5)}
KEYS = (
    "outcome",
    "outcome_raw",
    "transfer_reason",
    "csat_score",
    "asr_model",
    "is_deleted_upstream",
)
BEFORE = {
    "s1": ("completed", "completed", None, None, "asr-1", False),
    "s2": ("in_progress", "in_progress", None, None, "asr-1", False),
    "s3": ("abandoned", "abandoned", None, None, "asr-1", False),
    "s4": ("transferred", "transferred", "asked", None, "asr-1", False),
    "s5": ("completed", "completed", None, 3.0, "asr-1", False),
    "s6": ("completed", "completed", None, None, "asr-1", False),
    "s8": ("completed", "completed", None, None, "asr-1", False),
}
# Session, change number, day, days from the start to six o'clock, what changed, and to what.
EXPECTED = [
    ("s1", 1, 3, 6 - 4 / 24, "outcome resolution", dict.fromkeys(KEYS[:2], "abandoned")),
    ("s2", 1, 1, 1 + 5 / 24, "outcome resolution", dict.fromkeys(KEYS[:2], "completed")),
    ("s3", 1, 2, 2 + 10 / 24, "score", {"csat_score": 5.0}),
    ("s4", 1, 4, 6 - 4 / 24, "resolution", {"transfer_reason": "complaint"}),
    ("s5", 1, 2, 4 - 5 / 24, "asr_model", {"asr_model": "asr-2"}),
    ("s5", 2, 4, 6 - 5 / 24, "score", {"csat_score": None}),
    ("s6", 1, 3, 4 - 4 / 24, "deletion", {"is_deleted_upstream": True}),
    ("s6", 2, 4, 5 - 4 / 24, "deletion", {"is_deleted_upstream": False}),
    ("s8", 1, 3, 2 + 10 / 24, "deletion", {"is_deleted_upstream": True}),
]  # fmt: skip


def test_changes_are_those_of_the_script(story) -> None:
    kinds = ("outcome", "resolution", "score", "asr_model", "deletion")
    now, expected = {name: dict(zip(KEYS, row, strict=True)) for name, row in BEFORE.items()}, []
    for name, number, day, days, changed, values in EXPECTED:
        former, now[name] = now[name], now[name] | values
        flags = [kind in changed.split() for kind in kinds]
        expected.append(
            (
                name,
                number,
                CLOCK[day],
                round(days, 6),
                *flags,
                *former.values(),
                *now[name].values(),
            )
        )
    found = story.project.rows(
        f"""
        select
            session_id, change_number, changed_at, days_after_start,
            {", ".join(f"is_{kind}_change" for kind in kinds)},
            {", ".join(f"{key}_before" for key in KEYS)},
            {", ".join(f"{key}_after" for key in KEYS)}
        from {CHANGES}
        order by session_id, change_number
        """
    )
    assert [(*row[:3], round(row[3], 6), *row[4:]) for row in found] == expected


@pytest.mark.parametrize("day", range(5))
def test_a_day_is_read_as_it_was_built(story, day) -> None:
    copy, columns = story.copied(day)
    assert story.rows_as_of(DAYS[day], columns) == copy
    assert story.rows_as_of(f"{DAYS[day]}T06:00:00Z", columns) == copy
    if day:
        before, _ = story.copied(day - 1)
        assert story.rows_as_of(f"{DAYS[day]}T00:59:59.999999-05:00", columns) == before != copy


@pytest.mark.parametrize("day", range(5))
def test_metrics_of_a_day_are_those_of_its_build(story, day) -> None:
    for query, answer in zip(QUERIES, story.answers[day], strict=True):
        assert story.ask(query, DAYS[day]).to_pylist() == answer.to_pylist()
    assert day == 0 or story.answers[day] != story.answers[day - 1]


def test_the_macro_reads_the_same(story) -> None:
    copy, columns = story.copied(1)
    found = f"select {columns} from main.known_on_tuesday order by session_key"
    assert story.project.rows(found) == copy


def test_what_is_not_known_is_told_in_a_sentence(story) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    for name, as_of, words in (
        ("voice_ai_sessions", "2024-03-03", "history begins with the build of 2024-03-04 06:00"),
        ("voice_ai_sessions", tomorrow, "in the future"),
        ("voice_ai_word_error_rate", "2024-03-05", "no history is kept of fact_voice_ai_asr_eval"),
        ("voice_ai_outcome_changes", "2024-03-05", "no history is kept of fact_voice_ai_outcome"),
    ):
        with pytest.raises(UserError, match=words):
            story.ask(metric_query(name), as_of)


def test_the_command_prints_and_writes(story) -> None:
    asked = ("voice-ai", "query", "--metrics", "voice_ai_sessions", "--as-of", "2024-03-07")
    by = ("--group-by", "voice_ai_session__channel")
    result = story.project.command(*asked, *by, "--csv", "answer.csv")
    assert "2 rows, as known on 2024-03-07, end of day UTC." in result.stdout
    # Thursday: of six chats, s4 is in quarantine and s8 came again as s18; s6 is kept.
    told = (story.project.directory / "answer.csv").read_text(encoding="utf-8")
    assert told.splitlines()[1:] == ['"chat",4', '"voice",5']


HISTORY = (OUTCOMES, CHANGES)


def test_builds_of_nothing_new_and_of_everything_change_nothing(story) -> None:
    def history():
        return [sorted(map(repr, story.project.rows(f"select * from {t}"))) for t in HISTORY]

    before = history()
    for more in ((), ("--full-refresh",)):
        story.build(*more)
        assert history() == before
    story.move_to(f"{DAYS[4]} 06:00:00")


def test_switched_off_history_is_not_built_and_goes_on_later(story) -> None:
    off = "{voice_ai_snapshot: false}"
    (story.project.directory / "models" / "known_on_tuesday.sql").unlink()
    change(story.project, 4, "users", "plan = 'gold'", "user_id = 'u1'")
    story.build("--vars", off)
    assert not {one for one in story.project.results() if "session_outcomes" in one}
    with pytest.raises(UserError, match="voice_ai_snapshot"):
        story.ask(QUERIES[0], DAYS[4])
    story.build()
    story.project.rows(f"create table main.fact_9 as select * from {FACT}")
    copy, columns = story.copied(9)
    assert story.rows_as_of(datetime.now(UTC).isoformat(), columns) == copy
    assert story.rows_as_of(DAYS[4], columns) == story.copied(4)[0] != copy
    story.move_to(f"{DAYS[4]} 06:00:00")


HORIZON = 28
SETTLED = """
    select age_days, sessions, settled_proportion
    from main_voice_ai.voice_ai_outcome_settling order by age_days
"""


def simulated(random) -> tuple[int, int, list[int]]:
    """Return a session's age in days when history ends, when first seen, and at its changes."""
    end = int(random.integers(0, 60))
    first = int(random.choice([0, 0, 0, 0, 1, 5, 20]))
    days = [first + int(days) for days in random.geometric(0.25, size=random.binomial(2, 0.3))]
    return end, first, sorted({age for age in days if age <= end})


def version(number: int, order: int, ages: list[int], end: int) -> str:
    """Write a version as a row of the snapshot that ends where the next one begins."""
    last_day = datetime(2024, 3, 8, 6)
    began = [last_day - timedelta(days=end - age) for age in ages[order : order + 2]]
    ends = f"'{began[1]}'" if len(began) > 1 else "null"
    outcome = ("in_progress", "completed", "abandoned")[order % 3]
    started = last_day.replace(hour=number % 24) - timedelta(days=end)
    return (
        f"('k{number}', 'bot', 'r{number}', '{started}', '{outcome}', '{outcome}', null, null,"
        f" 'asr-1', false, 'v{number}-{order}', '{began[0]}', '{began[0]}', {ends})"
    )


def test_settling_is_the_survival_function_of_statsmodels(story) -> None:
    """Compare with statsmodels' SurvfuncRight from each age on, over random sessions."""
    random = np.random.default_rng(7)
    drawn = [simulated(random) for _ in range(2500)]
    rows = [
        version(number, order, [first, *(age for age in changes if age > first)], end)
        for number, (end, first, changes) in enumerate(drawn)
        if first <= end
        for order in range(1 + sum(age > first for age in changes))
    ]
    story.project.rows(f"delete from {OUTCOMES}")
    story.project.rows(
        f"insert into {OUTCOMES} (session_key, platform, session_id, started_at, outcome,"
        " outcome_raw, transfer_reason, csat_score, asr_model, is_deleted_upstream, dbt_scd_id,"
        f" dbt_updated_at, dbt_valid_from, dbt_valid_to) values {', '.join(rows)}"
    )
    story.build("--select", "fact_voice_ai_outcome_changes+")
    found = story.project.rows(SETTLED)
    for age in range(HORIZON):
        seen = [(end, changes) for end, first, changes in drawn if first <= age < end]
        nexts = [min([c for c in changes if c > age], default=None) for _, changes in seen]
        until = [min(c or end, HORIZON) for c, (end, _) in zip(nexts, seen, strict=True)]
        is_change = [int(c is not None and c <= HORIZON) for c in nexts]
        survival = SurvfuncRight(np.array(until) - age, np.array(is_change)).surv_prob[-1]
        assert found[age] == (age, len(seen), pytest.approx(survival, abs=1e-6))
    assert found[0][2] < 0.6 and found[27][2] > 0.99
