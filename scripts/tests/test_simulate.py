"""What `simulate` writes, recounted by code that shares nothing with it."""

import csv
import hashlib
import json
import math
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.simulate import run as module
from voice_ai_analytics.simulate import simulate
from voice_ai_analytics.simulate.world import DIRT

FILES = {
    "users": ["user_id", "region", "disability_flag", "first_time_digital_user"],
    "voice_sessions": [
        "session_id",
        "user_id",
        "channel",
        "language",
        "total_duration_sec",
        "total_turns",
        "final_outcome",
        "transfer_reason",
        "created_at",
    ],
    "voice_turns": [
        "turn_id",
        "session_id",
        "turn_number",
        "speaker",
        "detected_intent",
        "intent_confidence",
        "asr_confidence",
        "error_type",
        "turn_duration_sec",
        "created_at",
    ],
    "voice_ai_metrics": [
        "session_id",
        "avg_asr_confidence",
        "avg_intent_confidence",
        "misunderstanding_rate",
        "silence_rate",
        "recovery_success",
        "escalation_flag",
    ],
    "applications": [
        "application_id",
        "session_id",
        "user_id",
        "service_code",
        "channel",
        "status",
        "time_to_submit_sec",
        "submitted_at",
    ],
}
DAY = 10  # characters of a date without a time


def read(directory: Path) -> dict[str, list[dict[str, str]]]:
    tables = {}
    for table in FILES:
        with (directory / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            tables[table] = list(csv.DictReader(file))
    return tables


def digests(directory: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


def instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def confidence_is_valid(text: str) -> bool:
    try:
        return text == "" or 0 <= float(text) <= 1
    except ValueError:
        return False


class Recount:
    """The rows of a run, split into valid ones and contract breaches in plain Python."""

    def __init__(self, directory: Path) -> None:
        self.raw = read(directory)
        self.breaches = Counter()
        self.sessions = {}
        self.undated = set()
        for row in self.raw["voice_sessions"]:
            if not row["session_id"]:
                self.breaches["session_id_missing"] += 1
            elif instant(row["created_at"]) is None:
                self.breaches["session_created_at_unparsable"] += 1
                self.undated.add(row["session_id"])
            elif row == self.sessions.get(row["session_id"]):
                self.breaches["duplicate_session_row"] += 1
            else:
                assert row["session_id"] not in self.sessions
                self.sessions[row["session_id"]] = row
        self.hosts = set()
        self.turns = []
        self.turns_of = defaultdict(list)
        for row in self.raw["voice_turns"]:
            breach = self._breach(row)
            if breach:
                self.breaches[breach] += 1
                self.hosts.add(row["turn_id"].split("-")[0].replace("T", "S"))
            else:
                self.turns.append(row)
                self.turns_of[row["session_id"]].append(row)

    def _breach(self, turn: dict[str, str]) -> str | None:
        if turn["session_id"] not in self.sessions:
            return "turn_of_unknown_session"
        if float(turn["turn_duration_sec"]) < 0:
            return "turn_duration_negative"
        if instant(turn["created_at"]) is None:
            return "turn_created_at_unparsable"
        if turn["speaker"] not in {"user", "system"}:
            return "speaker_unknown"
        return None

    def metrics_differ(self, metric: dict[str, str]) -> bool:
        spoken = [t for t in self.turns_of[metric["session_id"]] if t["speaker"] == "user"]
        for average, column in (
            ("avg_asr_confidence", "asr_confidence"),
            ("avg_intent_confidence", "intent_confidence"),
        ):
            given = [t[column] for t in spoken if t[column]]
            values = [float(text) for text in given if confidence_is_valid(text)]
            assert bool(values) == bool(metric[average])
            if values and abs(float(metric[average]) - sum(values) / len(values)) > 0.001:
                return True
        return False


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return 2,000 sessions in three chunks: what holds in a chunk must hold across them."""
    directory = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", 700)
        truth = simulate(directory, 2_000, 11)
    return truth, directory, Recount(directory)


def test_same_seed_same_bytes_another_seed_other_bytes(tmp_path):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        simulate(tmp_path / name, 600, seed)
    one, two, other = (digests(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert set(one) == {f"{table}.csv" for table in FILES} | {"asr_references.csv", "truth.json"}
    assert all(one[name] != other[name] for name in one)


def test_neither_chunks_nor_seeds_share_their_chances(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 300)
    channels = []
    for seed in (5, 6):
        simulate(tmp_path, 600, seed)
        sessions = Recount(tmp_path).sessions.values()
        channels += np.split(np.array([s["channel"] for s in sessions]), 2)
    for other in channels[1:]:
        assert np.mean(channels[0] == other) < 0.6  # 0.42 by chance


def test_columns_are_those_of_the_deployment_in_order(run):
    _, directory, _ = run
    for table, columns in FILES.items():
        with (directory / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            assert next(csv.reader(file)) == columns


def test_references_are_of_spoken_turns_and_as_right_as_the_truth_says(run):
    truth, directory, recount = run
    turns = {turn["turn_id"]: turn for turn in recount.turns}
    with (directory / "asr_references.csv").open(newline="", encoding="utf-8") as file:
        references = list(csv.DictReader(file))
    assert len(references) > 1000
    assert len({reference["turn_id"] for reference in references}) == len(references)
    expected, right, words = 0.0, 0, 0
    for reference in references:
        turn = turns[reference["turn_id"]]
        assert turn["speaker"] == "user"
        session = recount.sessions[turn["session_id"]]
        assert reference["language"] == session["language"]
        given = truth["confidence_too_sure"]
        log_odds = math.log(float(turn["asr_confidence"]) / (1 - float(turn["asr_confidence"])))
        log_odds -= given["language"][reference["language"]]
        log_odds -= given["asr_model"][reference["asr_model"]]
        said, heard = (reference[f"{name}_text"].split() for name in ("reference", "hypothesis"))
        expected += len(said) / (1 + math.exp(-log_odds))
        blocks = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
        right += sum(block.size for block in blocks)
        words += len(said)
    assert right / words == pytest.approx(expected / words, abs=0.02)


@pytest.fixture(scope="module")
def both_numberings(tmp_path_factory):
    """Return two runs of one seed: with unique turn ids, and with turn ids that repeat."""
    directories = [tmp_path_factory.mktemp(name) for name in ("own", "repeating")]
    truths = [
        simulate(directory, 400, 3, repeats_turn_ids=repeats)
        for directory, repeats in zip(directories, (False, True), strict=True)
    ]
    return directories, truths


def test_numbering_turns_anew_changes_their_ids_and_nothing_else(both_numberings):
    (own, repeating), _ = both_numberings
    before, after = read(own), read(repeating)
    for table in set(FILES) - {"voice_turns"}:
        assert after[table] == before[table]
    spread = defaultdict(list)
    for old, new in zip(before["voice_turns"], after["voice_turns"], strict=True):
        assert new | {"turn_id": ""} == old | {"turn_id": ""}
        assert int(new["turn_id"]) == int(old["turn_id"].split("-")[1]) - 1
        spread[new["session_id"]].append(new["turn_id"])
    assert all(len(ids) == len(set(ids)) for ids in spread.values())
    assert sum("0" in ids for ids in spread.values()) > 380


def test_references_name_the_session_where_turn_ids_repeat(both_numberings):
    (own, repeating), _ = both_numberings
    before, after = (
        list(csv.DictReader((directory / "asr_references.csv").open(encoding="utf-8", newline="")))
        for directory in (own, repeating)
    )
    assert len(before) > 200
    for old, new in zip(before, after, strict=True):
        number, place = old["turn_id"].removeprefix("T").split("-")
        assert (new.pop("session_id"), int(new["turn_id"])) == (f"S{number}", int(place) - 1)
        assert new | {"turn_id": ""} == old | {"turn_id": ""}


def test_the_truth_names_dirty_turns_by_session_where_turn_ids_repeat(both_numberings):
    (_, repeating), (_, truth) = both_numberings
    assert truth["parameters"]["repeats_turn_ids"]
    turns = {(t["session_id"], t["turn_id"]): t for t in read(repeating)["voice_turns"]}
    recount = Recount(repeating)

    def named(kind):
        return [turns[one["session_id"], one["turn_id"]] for one in truth["dirt"][kind]["turn_ids"]]

    impossible = {turn["asr_confidence"] for turn in named("asr_confidence_impossible")}
    assert impossible == {"high", "1.7"}
    assert {turn["speaker"] for turn in named("speaker_unknown")} == {"supervisor"}
    assert all(t["session_id"] not in recount.sessions for t in named("turn_of_unknown_session"))


def test_truth_is_returned_and_written(run):
    truth, directory, _ = run
    assert json.loads((directory / "truth.json").read_text(encoding="utf-8")) == truth
    assert truth["parameters"] == {"sessions": 2_000, "seed": 11, "null_effects": False}
    assert truth["asr_releases"][0]["released_at"] == "2026-01-05"
    assert len(truth["asr_releases"]) == 3


def test_dirt_and_counts_are_what_an_independent_count_finds(run):
    truth, _, recount = run
    turns, sessions = recount.turns, recount.sessions.values()
    numbers = Counter((turn["session_id"], turn["turn_number"]) for turn in turns)
    applications = recount.raw["applications"]
    expected = dict(recount.breaches) | {
        "sessions_without_turns": sum(not recount.turns_of[s["session_id"]] for s in sessions),
        "declared_turns_differ": sum(
            int(s["total_turns"]) != len(recount.turns_of[s["session_id"]]) for s in sessions
        ),
        "session_created_at_without_time": sum(len(s["created_at"]) == DAY for s in sessions),
        "metrics_differ_from_turns": sum(
            recount.metrics_differ(metric) for metric in recount.raw["voice_ai_metrics"]
        ),
        "completed_with_transfer_reason": sum(
            s["final_outcome"] == "completed" and s["transfer_reason"] != "" for s in sessions
        ),
        "repeated_turn_number": sum(n - 1 for n in numbers.values()),
        "asr_confidence_on_system_turn": sum(
            t["speaker"] == "system" and t["asr_confidence"] != "" for t in turns
        ),
        "asr_confidence_impossible": sum(
            not confidence_is_valid(t["asr_confidence"]) for t in turns
        ),
        "turn_created_at_without_time": sum(len(t["created_at"]) == DAY for t in turns),
        "application_of_another_user": sum(
            a["user_id"] != recount.sessions[a["session_id"]]["user_id"] for a in applications
        ),
    }
    assert {name: entry["rows"] for name, entry in truth["dirt"].items()} == expected
    assert min(expected.values()) >= 1
    assert 0.6 < truth["dirt"]["declared_turns_differ"]["share"] < 0.8

    counts = truth["counts"]
    assert counts["rows"] == {table: len(rows) for table, rows in recount.raw.items()}
    assert counts["sessions"] == len(recount.sessions) == 2_000
    assert counts["sessions_without_turns"] == expected["sessions_without_turns"]
    assert counts["turns"] == len(turns)
    assert counts["user_turns"] == sum(t["speaker"] == "user" for t in turns)
    assert counts["error_turns"] == sum(t["error_type"] != "" for t in turns)


def test_repeated_turn_numbers_are_counted_where_they_crowd(tmp_path, monkeypatch):
    monkeypatch.setitem(DIRT, "repeated_turn_number", ("turns", 0.5))
    truth = simulate(tmp_path, 100, 0)
    turns = Recount(tmp_path).turns
    distinct = {(turn["session_id"], turn["turn_number"]) for turn in turns}
    assert truth["dirt"]["repeated_turn_number"]["rows"] == len(turns) - len(distinct) > 100


def test_ids_in_the_truth_name_dirty_rows(run):
    truth, _, recount = run
    turns = {turn["turn_id"]: turn for turn in recount.raw["voice_turns"]}
    dirt = truth["dirt"]
    impossible = {turns[t]["asr_confidence"] for t in dirt["asr_confidence_impossible"]["turn_ids"]}
    assert impossible == {"high", "1.7"}
    assert all(
        turns[t]["session_id"] not in recount.sessions
        for t in dirt["turn_of_unknown_session"]["turn_ids"]
    )
    assert all(not recount.turns_of[s] for s in dirt["sessions_without_turns"]["session_ids"])
    for entry in dirt.values():
        ids = entry.get("session_ids", entry.get("turn_ids"))
        assert len(ids) == min(entry["rows"], 20)


def test_rates_are_those_of_the_valid_rows(run):
    truth, _, recount = run
    outcomes = Counter(s["final_outcome"] for s in recount.sessions.values())
    heard = [
        float(t["asr_confidence"])
        for t in recount.turns
        if t["speaker"] == "user"
        and t["asr_confidence"]
        and confidence_is_valid(t["asr_confidence"])
    ]
    assert truth["rates"] == pytest.approx(
        {
            "completion": outcomes["completed"] / 2_000,
            "abandonment": outcomes["abandoned"] / 2_000,
            "transfer": outcomes["transferred"] / 2_000,
            "asr_confidence": sum(heard) / len(heard),
        }
    )


def test_breaches_are_rare_and_behind_the_opening(run):
    _, _, recount = run
    rows = len(recount.raw["voice_sessions"]) + len(recount.raw["voice_turns"])
    assert sum(recount.breaches.values()) < 0.003 * rows
    for host in recount.hosts:
        assert sum(turn["speaker"] == "user" for turn in recount.turns_of[host]) >= 3


def test_valid_rows_keep_to_the_vocabulary_and_refer_to_each_other(run):
    _, _, recount = run
    users = {user["user_id"] for user in recount.raw["users"]}
    assert len(users) == len(recount.raw["users"])
    turn_ids = [turn["turn_id"] for turn in recount.raw["voice_turns"]]
    assert len(set(turn_ids)) == len(turn_ids)
    sessions = recount.sessions
    assert not recount.undated & set(sessions)
    assert {s["user_id"] for s in sessions.values()} == users
    assert {a["user_id"] for a in recount.raw["applications"]} <= users
    assert {a["session_id"] for a in recount.raw["applications"]} <= set(sessions)
    assert [m["session_id"] for m in recount.raw["voice_ai_metrics"]] == list(sessions)

    def values(rows, column):
        return {row[column] for row in rows}

    assert values(recount.raw["users"], "region") == {"rural", "urban", "peri_urban"}
    assert values(recount.raw["users"], "disability_flag") == {"yes", "no"}
    assert values(recount.raw["users"], "first_time_digital_user") == {"yes", "no"}
    assert values(sessions.values(), "channel") == {"voice", "ivr", "chat"}
    assert values(sessions.values(), "final_outcome") == {"completed", "abandoned", "transferred"}
    assert len(values(sessions.values(), "language")) >= 4
    errors = {"", "misunderstanding", "silence", "noise"}
    assert values(recount.turns, "error_type") == errors
    for turn in recount.turns:
        assert confidence_is_valid(turn["intent_confidence"])
        if sessions[turn["session_id"]]["channel"] == "chat":
            assert turn["asr_confidence"] == ""


def test_conversations_alternate_and_last_as_long_as_their_turns(run):
    _, _, recount = run
    for session_id, session in recount.sessions.items():
        turns = recount.turns_of[session_id]
        started = instant(session["created_at"])
        assert "2026-01-05" <= session["created_at"][:DAY] <= "2026-07-05"
        speakers = [turn["speaker"] for turn in turns]
        assert speakers == (["system", "user"] * len(turns))[: len(turns)]
        assert not turns or "user" in speakers
        duration = float(session["total_duration_sec"])
        assert sum(float(turn["turn_duration_sec"]) for turn in turns) <= duration + 1e-9
        if len(session["created_at"]) == DAY:
            continue
        times = [instant(t["created_at"]) for t in turns if len(t["created_at"]) > DAY]
        assert times == sorted(times)
        for time in times:
            assert started <= time <= started + timedelta(seconds=duration)


@pytest.fixture(scope="module", params=[False, True], ids=["effects", "null"])
def openings(request, tmp_path_factory):
    """Return the truth, and one row per session with features of its first three user turns."""
    directory = tmp_path_factory.mktemp("openings")
    truth = simulate(directory, 20_000, 3, null_effects=request.param)
    sessions = pd.read_csv(directory / "voice_sessions.csv").dropna(subset="session_id")
    sessions = sessions.drop_duplicates()
    turns = pd.read_csv(directory / "voice_turns.csv", dtype={"asr_confidence": "object"})
    turns["heard"] = pd.to_numeric(turns["asr_confidence"], errors="coerce")
    turns["failed"] = turns["error_type"].notna().astype(float)
    # Breaches among user turns come last in their session, after three others.
    turns = turns[turns["speaker"] == "user"].sort_values(
        ["session_id", "turn_number"], kind="stable"
    )
    opening = turns[turns.groupby("session_id").cumcount() < 3].groupby("session_id")
    features = opening.agg(asr=("heard", "mean"), failed=("failed", "mean"), n=("failed", "size"))
    users = pd.read_csv(directory / "users.csv").set_index("user_id")
    rows = sessions.join(users, on="user_id").join(features, on="session_id", how="inner")
    return truth, rows


def test_refitting_finds_the_stated_log_odds(openings):
    truth, rows = openings
    effects = [v for term, v in truth["log_odds"].items() if term != "intercept"]
    assert all(v == 0 for v in effects) == truth["parameters"]["null_effects"]
    rows = rows[rows["final_outcome"] != "transferred"]
    design = pd.DataFrame(
        {
            "intercept": 1.0,
            "opening_asr_confidence": (rows["asr"] - 0.8).fillna(0),
            "opening_error_proportion": rows["failed"],
            "first_time_digital_user": (rows["first_time_digital_user"] == "yes") * 1.0,
            "rural": (rows["region"] == "rural") * 1.0,
        }
    )
    fit = sm.Logit((rows["final_outcome"] == "abandoned") * 1.0, design).fit(disp=0)
    assert set(truth["log_odds"]) == set(design)
    for term, true in truth["log_odds"].items():
        assert abs(fit.params[term] - true) < 4 * fit.bse[term], term
    if truth["parameters"]["null_effects"]:
        assert fit.llr_pvalue > 0.001
    else:
        assert abs(fit.tvalues["opening_error_proportion"]) > 5


def test_only_what_follows_the_opening_depends_on_the_outcome(openings):
    _, rows = openings
    abandoned, completed = (rows[rows["final_outcome"] == o] for o in ("abandoned", "completed"))
    shares = [(part["n"] == 3).mean() for part in (abandoned, completed)]
    assert abs(shares[0] - shares[1]) < 4 * np.sqrt(0.16 / len(abandoned))
    assert abandoned["total_turns"].mean() < completed["total_turns"].mean() - 1


def test_asr_improves_with_releases_and_is_worse_in_a_low_resource_language(openings):
    truth, rows = openings
    days = [release["released_at"] for release in truth["asr_releases"]]
    release = np.searchsorted(days, rows["created_at"].str[:DAY].tolist(), side="right")
    means = rows.groupby(["language", release])["asr"].mean()
    assert means["sw", 1] < means["en", 1] - 0.05
    assert means["sw", 3] > means["sw", 1] + 0.03


def test_users_return_and_nights_are_quiet(openings):
    _, rows = openings
    visits = rows["user_id"].value_counts()
    assert 2 < visits.mean() < 5
    assert visits.max() > 15
    hours = rows["created_at"].str[11:13]
    assert (hours == "10").sum() > 10 * (hours == "03").sum()


@pytest.mark.parametrize("sessions", [1, 2, 7])
def test_a_handful_of_sessions_is_a_run_too(tmp_path, sessions):
    truth = simulate(tmp_path, sessions, 0)
    recount = Recount(tmp_path)
    assert truth["counts"]["sessions"] == len(recount.sessions) == sessions
    assert len({t["turn_id"] for t in recount.raw["voice_turns"]}) == len(
        recount.raw["voice_turns"]
    )


def test_progress_counts_sessions(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 40)
    done = []
    simulate(tmp_path, 100, 0, progress=done.append)
    assert done == [40, 80, 100]


def test_an_interrupted_run_leaves_the_last_one_whole(tmp_path):
    simulate(tmp_path, 50, 0)
    before = digests(tmp_path)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, 50, 1, progress=interrupt)
    assert digests(tmp_path) == before


@pytest.mark.parametrize(
    ("sessions", "seed", "named"), [(0, 1, "sessions"), (-5, 1, "sessions"), (5, -1, "seed")]
)
def test_numbers_out_of_range_are_a_user_error(tmp_path, sessions, seed, named):
    with pytest.raises(UserError, match=f"^{named}: "):
        simulate(tmp_path / "new", sessions, seed)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["taken", "taken/below"])
def test_an_output_that_is_a_file_is_a_user_error(tmp_path, name):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UserError, match=r"taken.*can't be written as a directory") as caught:
        simulate(tmp_path / name, 5, 1)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_directory_of_a_files_name_is_a_user_error(tmp_path):
    (tmp_path / "users.csv").mkdir()
    with pytest.raises(UserError, match="writing failed"):
        simulate(tmp_path, 5, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["users.csv"]
