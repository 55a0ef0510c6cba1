"""The stand-ins in offline_packages/ give the same verdicts as the dbt Hub packages.

A consumer project (offline_packages/ beside this file) is built with the stand-ins, and each test's
verdict is compared with the one worked out by hand below. Where VOICE_AI_DBT_HUB_PACKAGES names a
directory with checkouts of the real dbt_utils, dbt_expectations and dbt_date, the same project is
also built with those, and must give the same results.
"""

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg2
import pytest
import yaml

CONSUMER = Path(__file__).parent / "offline_packages"
STAND_INS = Path(__file__).parents[1] / "offline_packages"
STAND_IN_PACKAGES = [STAND_INS / "dbt_utils", STAND_INS / "dbt_expectations"]
HUB_PACKAGES = os.environ.get("VOICE_AI_DBT_HUB_PACKAGES")
CONSUMER_NAME = "offline_packages_consumer"
ERROR = "error"


def case(on, failures, *, where=None, on_postgres=None, **arguments):
    """Return a case: a test's arguments, and its failures on a model or "model.column"."""
    return {
        "on": on,
        "failures": {
            "duckdb": failures,
            "postgres": failures if on_postgres is None else on_postgres,
        },
        "where": where,
        "arguments": arguments,
    }


COPY, DOUBLED, CHANGED, WIDER, EMPTY, PARENTS = (
    f"ref('{model}')"
    for model in (
        "readings",
        "doubled_readings",
        "changed_readings",
        "wider_readings",
        "empty_readings",
        "parents",
    )
)
FOUR = "^[a-z]{2}[0-9]{2}$"

# The rows are in offline_packages/macros/readings.sql; "4, 5" in a comment are the ids that fail.
CASES = {
    "dbt_utils.unique_combination_of_columns": [
        case("readings", 0, combination_of_columns=["id"]),
        case("readings", 0, combination_of_columns=["batch", "score"]),
        # Counts groups, not rows; null is a group.
        case("readings", 3, combination_of_columns=["batch"]),
        case("readings", 1, combination_of_columns=["code", "language"]),
        case("readings", 1, where="batch = 'a'", combination_of_columns=["batch"]),
        case(
            "quoted_names",
            1,
            combination_of_columns=["order", "Line No"],
            quote_columns=True,
        ),
        case(
            "quoted_names",
            0,
            where='"Line No" <> 2',
            combination_of_columns=["order", "Line No"],
            quote_columns=True,
        ),
        case("empty_readings", 0, combination_of_columns=["id"]),
    ],
    "dbt_utils.expression_is_true": [
        case("readings", 1, expression="started <= ended"),  # 3; an unknown order passes
        case("readings", 2, expression="started < ended"),  # 2, 3
        case("readings", 2, expression="score between 0 and 1 or score is null"),  # 4, 5
        case("readings", 0, where="id <> 3", expression="started <= ended"),
        case("readings.score", 1, expression=">= 0"),  # 5
        case("readings.score", 0, expression="<= 2"),
        case("readings.score", 1, expression="is not null"),  # 6
        case("readings.ended", 2, expression="> started or started is null"),  # 2, 3
        case("empty_readings", 0, expression="started > ended"),
    ],
    "dbt_utils.accepted_range": [
        case("readings.score", 2, min_value=0, max_value=1),  # 4, 5; null passes
        case("readings.score", 4, min_value=0, max_value=1, inclusive=False),  # 1, 2, 4, 5
        case("readings.score", 0, min_value=-0.1, max_value=1.7),
        case("readings.score", 2, min_value=-0.1, max_value=1.7, inclusive=False),  # 4, 5
        case("readings.score", 1, min_value=0),  # 5
        case("readings.score", 2, min_value=0, inclusive=False),  # 1, 5
        case("readings.score", 1, max_value=1),  # 4
        case("readings.score", 2, max_value=1, inclusive=False),  # 2, 4
        case("readings.score", 0),
        case("readings.score", 0, where="batch = 'a'", min_value=0, max_value=1),
        case("readings.ended", 1, min_value="started"),  # 3
        case("readings.ended", 2, min_value="started + 1", max_value=6),  # 2, 3
        case("empty_readings.score", 0, min_value=0, max_value=1),
    ],
    # Failures are the rows on one side only, plus the difference between the row counts.
    "dbt_utils.equality": [
        case("readings", 0, compare_model=COPY),
        case("readings", 0, compare_model=DOUBLED),  # sets are compared
        case("readings", 4, compare_model=CHANGED),  # 2, 7 against 2: 3 + 1
        case("readings", 2, compare_model=CHANGED, compare_columns=["id"]),  # 7: 1 + 1
        case("readings", 2, compare_model=CHANGED, compare_columns=["score"]),  # 1.0, 0.9: 2 + 0
        case("readings", 0, compare_model=CHANGED, compare_columns=["batch"]),  # null is null
        case("readings", 2, compare_model=CHANGED, exclude_columns=["SCORE"]),  # 7: 1 + 1
        case("readings", ERROR, compare_model=WIDER),
        case("readings", 0, compare_model=WIDER, exclude_columns=["note"]),
        case("readings", 14, compare_model=EMPTY, compare_columns=["id"]),  # 7 + 7
        case("readings", ERROR, where="id <> 7", compare_model=CHANGED, compare_columns=["id"]),
        case("empty_readings", 14, compare_model=COPY),
        case("empty_readings", 0, compare_model=EMPTY),
    ],
    "dbt_utils.not_null_proportion": [
        case("readings.id", 0, at_least=1),
        case("readings.batch", 0, at_least=0.71),  # 5 of 7: 0.714
        case("readings.batch", 1, at_least=0.72),
        case("readings.batch", 1, at_least=0.5, at_most=0.7),
        case("readings.batch", 0, at_least=0, at_most=0.72),
        case("readings.batch", 0, where="id <> 7", at_least=0.83),  # 5 of 6
        case("tenths.filled", 0, at_least=0.7, at_most=0.7),
        case("tenths.filled", 1, at_least=1),
        case("empty_readings.id", 0, at_least=1),
    ],
    "dbt_utils.relationships_where": [
        case("readings.parent_id", 2, to=PARENTS, field="id"),  # 4, 7; null passes
        case("readings.parent_id", 3, to=PARENTS, field="id", to_condition="is_active"),  # 3 too
        case("readings.parent_id", 0, to=PARENTS, field="id", from_condition="batch = 'a'"),
        case(
            "readings.parent_id",
            2,  # 3, 4
            to=PARENTS,
            field="id",
            from_condition="batch = 'b'",
            to_condition="is_active",
        ),
        # Read as (not null and a) or 6, so the null in row 6 no longer passes.
        case(
            "readings.parent_id",
            1,
            to=PARENTS,
            field="id",
            from_condition="batch = 'a' or id = 6",
        ),
        case(
            "readings.parent_id",
            3,  # 3, 4, 7
            to=PARENTS,
            field="id",
            to_condition="is_active or id is null",
        ),
        case("readings.parent_id", 1, where="batch is not null", to=PARENTS, field="id"),  # 4
        case("readings.parent_id", 5, to=EMPTY, field="id"),
        case("empty_readings.parent_id", 0, to=PARENTS, field="id"),
    ],
    "dbt_utils.equal_rowcount": [
        case("readings", 0, compare_model=WIDER),
        case("readings", 7, compare_model=DOUBLED),
        case("readings", 1, compare_model=CHANGED),
        case("readings", 0, where="id <> 7", compare_model=CHANGED),
        # The real package overlooks an empty table, and so do we.
        case("readings", 0, compare_model=EMPTY),
        case("empty_readings", 0, compare_model=COPY),
        case("empty_readings", ERROR, compare_model=EMPTY),
    ],
    "dbt_expectations.expect_column_values_to_be_between": [
        case("readings.score", 2, min_value=0, max_value=1),  # 4, 5; null passes
        case("readings.score", 4, min_value=0, max_value=1, strictly=True),  # 1, 2, 4, 5
        case("readings.score", 0, min_value=-0.1, max_value=1.7),
        case("readings.score", 2, min_value=-0.1, max_value=1.7, strictly=True),  # 4, 5
        case("readings.score", 1, min_value=0),  # 5
        case("readings.score", 2, max_value=1, strictly=True),  # 2, 4
        case("readings.score", 0, min_value=0, max_value=1, row_condition="batch = 'a'"),
        case("readings.score", 1, min_value=0, max_value=1, row_condition="batch = 'a' or id = 4"),
        case("readings.score", 2, min_value=0, strictly=True, row_condition="id <> 4"),  # 1, 5
        case("readings.score", 1, where="id > 4", min_value=0, max_value=1),  # 5
        case("readings.ended", 1, min_value="started"),  # 3
        case("empty_readings.score", 0, min_value=0, max_value=1),
    ],
    "dbt_expectations.expect_column_values_to_be_in_set": [
        case("readings.language", 2, value_set=["en", "de", "fr"]),  # 5, 6: null fails
        case(
            "readings.language",
            1,  # 5
            value_set=["en", "de", "fr"],
            row_condition="language is not null",
        ),
        case("readings.language", 1, value_set=["en", "de", "fr", "fr", "EN"]),  # 6
        case("readings.started", 2, value_set=[1, 2, 3, 5], quote_values=False),  # 5, 6
        case("readings.started", 4, value_set=[1, 2], quote_values=False),  # 3, 5, 6, 7
        case(
            "readings.started",
            0,
            value_set=[1, 2, 3, 5],
            quote_values=False,
            row_condition="started is not null",
        ),
        case("empty_readings.language", 0, value_set=["en"]),
    ],
    # Null fails on PostgreSQL and passes on DuckDB, unless a row_condition leaves it out.
    "dbt_expectations.expect_column_values_to_match_regex": [
        case("readings.code", 4, on_postgres=5, regex=FOUR),  # 2, 3, 4, 5
        case("readings.code", 3, on_postgres=4, regex=FOUR, flags="i"),  # 3, 4, 5
        case("readings.code", 1, on_postgres=2, regex="[0-9]+"),  # 5
        case("readings.code", 4, regex=FOUR, row_condition="code is not null"),  # 2, 3, 4, 5
        case("readings.code", 0, regex=FOUR, row_condition="id in (1, 7)"),
        case("readings.code", 2, on_postgres=3, regex=r"[a-z]\d", is_raw=True),  # 2, 5
        case(
            "readings.code",
            0,
            regex=r"[A-Z]\d",
            is_raw=True,
            flags="i",
            row_condition="code <> ''",
        ),
        case("readings.code", 3, on_postgres=4, regex="(ab|CD)(12|34)(x)?"),  # 3, 4, 5
        case("readings.code", 0, on_postgres=1, regex="z*"),  # an empty match is a match
        case("empty_readings.code", 0, regex=FOUR),
    ],
    "dbt_expectations.expect_column_value_lengths_to_equal": [
        case("readings.code", 3, value=4),  # 3, 4, 5; null passes
        case("readings.code", 0, value=4, row_condition="id in (1, 2, 6)"),
        case("readings.code", 0, value=0, row_condition="code = ''"),
        case("readings.language", 0, value=2),
        case("empty_readings.code", 0, value=4),
    ],
    "dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B": [
        case("readings", 2, column_A="ended", column_B="started"),  # 2, 3; null passes
        case("readings", 1, column_A="ended", column_B="started", or_equal=True),  # 3
        case("readings", 1, column_A="ended", column_B="started", row_condition="id <> 3"),  # 2
        case(
            "readings",
            0,
            column_A="ended",
            column_B="started",
            or_equal=True,
            row_condition="id <> 3",
        ),
        case("empty_readings", 0, column_A="ended", column_B="started"),
    ],
    "dbt_expectations.expect_table_row_count_to_equal_other_table": [
        case("readings", 0, compare_model=WIDER),
        case("readings", 1, compare_model=DOUBLED),
        case("readings", 1, compare_model=CHANGED),
        case("doubled_readings", 0, compare_model=COPY, factor=2),
        case("doubled_readings", 1, compare_model=COPY, factor=3),
        case("readings", 0, compare_model=DOUBLED, factor=0.5),
        # A row_condition on its own applies to both tables.
        case("readings", 0, compare_model=DOUBLED, row_condition="id < 0"),
        case("readings", 0, compare_model=CHANGED, row_condition="batch = 'a'"),
        case(
            "readings",
            1,  # 2 against 3
            compare_model=CHANGED,
            row_condition="batch = 'a'",
            compare_row_condition="batch = 'b'",
        ),
        case(
            "readings",
            0,  # 3 against 3
            compare_model=CHANGED,
            row_condition="batch = 'b'",
            compare_row_condition="id <= 3",
        ),
        case("readings", 1, compare_model=WIDER, compare_row_condition="id <> 7"),
        case("readings", 0, where="id <> 7", compare_model=CHANGED),
        case("readings", 1, compare_model=EMPTY),
        case("empty_readings", 1, compare_model=COPY),
        case("empty_readings", 0, compare_model=EMPTY),
    ],
    "dbt_expectations.expect_column_to_exist": [
        case("readings.score", 0),
        case("readings.SCORE", 0),
        case("readings.no_such_column", 1),
        case("empty_readings.score", 0),
    ],
    "dbt_expectations.expression_is_true": [
        case("readings", 1, expression="started <= ended"),  # 3; an unknown order passes
        case("readings", 0, expression="started <= ended", row_condition="id <> 3"),
        case("readings", 2, expression="score > 0"),  # 1, 5
        case("readings", 0, expression="score >= 0 or id = 5"),
        case("readings", 0, expression="count(*) = 7"),
        case("readings", 1, expression="count(*) = 7", row_condition="id <> 7"),
        case("readings", 0, where="id <> 3", expression="started <= ended"),
        case("empty_readings", 0, expression="started > ended"),
        case("empty_readings", 1, expression="count(*) > 0"),
    ],
}


def named_cases():
    """Yield the test, a name that dbt accepts, a label that says it all, and the case."""
    for test, cases in CASES.items():
        for number, of in enumerate(cases, 1):
            arguments = ", ".join(f"{name}={value!r}" for name, value in of["arguments"].items())
            label = f"{test}({arguments}) on {of['on']}"
            if of["where"]:
                label += f" where {of['where']}"
            yield test, f"{test.replace('.', '_')}_{number}", label, of


def properties_yml():
    """Write the cases as a consumer would: as tests on models and on their columns."""
    models = {}
    for test, name, _, of in named_cases():
        model, _, column = of["on"].partition(".")
        tested = models.setdefault(model, {"name": model, "data_tests": [], "columns": {}})
        if column:
            tested = tested["columns"].setdefault(column, {"name": column, "data_tests": []})
        config = {"where": of["where"]} if of["where"] else {}
        tested["data_tests"].append(
            {test: {"name": name, "arguments": of["arguments"], "config": config}}
        )
    for model in models.values():
        model["columns"] = list(model["columns"].values())
    return yaml.safe_dump({"models": list(models.values())}, sort_keys=False)


def keys(*texts):
    """Hash the key parts as documented: joined by hyphens, with a text of its own for null."""
    null = "_dbt_utils_surrogate_key_null_"
    joined = "-".join(null if text is None else text for text in texts)
    return hashlib.md5(joined.encode()).hexdigest()


MACRO_TABLES = {
    "surrogate_keys": [
        (1, keys("7", "plain", "true", "2026-01-31"), keys("plain")),
        (2, keys("-7", "", "false", "2026-02-01"), keys("")),
        (3, keys(None, None, None, None), keys(None)),
        (4, keys("7", "a-b", "true", None), keys("a-b")),
        (5, keys(None, "naïve 🎧 'q'", None, None), keys("naïve 🎧 'q'")),
    ],
    # The end date is excluded.
    "spine_days": ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"],
    "spine_of_one_day": ["2024-02-29"],
    "spine_weeks": ["2026-01-01", "2026-01-08", "2026-01-15"],
    "spine_months": ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"],
    "spine_hours": ["2026-03-29T22:00", "2026-03-29T23:00", "2026-03-30T00:00"],
}


class Engine:
    """A database for builds of the consumer project, each in its own schema."""

    def __init__(self, profile, connect):
        self.profile, self.connect = profile, connect

    def install(self, project, packages):
        """Copy the consumer project to a new folder, with a profile and these packages."""
        shutil.copytree(CONSUMER, project)
        (project / "dbt_packages").mkdir()
        for package in packages:
            (project / "dbt_packages" / package.name).symlink_to(package.resolve())
        output = {**self.profile, "schema": project.name, "threads": 1}
        profiles = {CONSUMER_NAME: {"target": "test", "outputs": {"test": output}}}
        (project / "profiles.yml").write_text(yaml.safe_dump(profiles))
        return project

    def build(self, project, packages, *flags):
        """Build the project with every case, and return verdicts by label and tables by name."""
        self.install(project, packages)
        (project / "models" / "cases.yml").write_text(properties_yml())
        printed = dbt(project, *flags, "build").stdout
        try:
            ran = json.loads((project / "target" / "run_results.json").read_text())
        except FileNotFoundError:
            pytest.fail(printed)
        verdicts = {
            result["unique_id"].split(".")[2]: (result["status"], result["failures"])
            for result in ran["results"]
        }
        by_label = {label: verdicts[name] for _, name, label, _ in named_cases()}
        by_label["a spine of no day"] = verdicts["spine_of_no_day"]
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            tables = {}
            for table in MACRO_TABLES:
                cursor.execute(f"select * from {project.name}.{table} order by 1")
                tables[table] = cursor.fetchall()
        return by_label, tables


DUCKDB_IN_MEMORY = Engine({"type": "duckdb", "path": ":memory:"}, duckdb.connect)


def dbt(project, *arguments):
    """Run dbt in the project."""
    places = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", "test"]
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--log-level-file", "none", *arguments, *places],
        capture_output=True,
        text=True,
        env={**os.environ, "DO_NOT_TRACK": "1", "NO_COLOR": "1"},
    )


def assert_same(found, expected):
    """Fail with one line for each label whose verdicts differ."""
    differing = [label for label in found | expected if found.get(label) != expected.get(label)]
    assert not differing, "\n".join(
        f"{label}: found {found.get(label)}, expected {expected.get(label)}" for label in differing
    )


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def engine(request, tmp_path_factory):
    if request.param == "duckdb":
        path = str(tmp_path_factory.mktemp("offline_packages") / "consumer.duckdb")
        return Engine({"type": "duckdb", "path": path}, lambda: duckdb.connect(path))
    variables = request.getfixturevalue("postgres_database")()
    address = {
        "host": variables["VOICE_AI_POSTGRES_HOST"],
        "port": int(variables["VOICE_AI_POSTGRES_PORT"]),
        "user": variables["VOICE_AI_POSTGRES_USER"],
        "dbname": variables["VOICE_AI_POSTGRES_DATABASE"],
    }
    profile = {"type": "postgres", "password": "", **address}
    return Engine(profile, lambda: psycopg2.connect(**address))


@pytest.fixture(scope="module")
def built(engine, tmp_path_factory):
    # --warn-error: not even a deprecation warning.
    project = tmp_path_factory.mktemp("stand_ins") / "stand_ins"
    return engine.build(project, STAND_IN_PACKAGES, "--warn-error")


def test_stand_ins_reach_the_verdicts_worked_out_by_hand(engine, built):
    expected = {"a spine of no day": ("error", None)}
    for _, _, label, of in named_cases():
        failures = of["failures"][engine.profile["type"]]
        if failures == ERROR:
            expected[label] = ("error", None)
        else:
            expected[label] = ("fail" if failures else "pass", failures)
    verdicts, _ = built
    assert_same(verdicts, expected)


def test_stand_ins_make_the_documented_keys_and_dates(built):
    _, tables = built
    for table, expected in MACRO_TABLES.items():
        rows = tables[table]
        if table != "surrogate_keys":
            rows = [dt.datetime.fromisoformat(str(instant)) for (instant,) in rows]
            expected = [dt.datetime.fromisoformat(text) for text in expected]
        assert rows == expected, table


def test_every_stand_in_is_seen_to_pass_and_to_fail():
    tests = {
        f"{package.name}.{name}"
        for package in STAND_IN_PACKAGES
        for source in (package / "macros").glob("*.sql")
        for name in re.findall(r"{% test (\w+)", source.read_text())
    }
    assert tests == set(CASES)
    for test, cases in CASES.items():
        failures = {of["failures"]["duckdb"] for of in cases} - {ERROR}
        assert min(failures) == 0 < max(failures), test


@pytest.mark.parametrize(
    ("test", "arguments", "message"),
    [
        (
            "dbt_utils.equality",
            {"compare_model": COPY, "compare_columns": ["id"], "exclude_columns": ["score"]},
            "compare_columns or exclude_columns, not both",
        ),
        (
            "dbt_expectations.expect_column_values_to_be_between",
            {"column_name": "score"},
            "needs a min_value, a max_value or both",
        ),
    ],
)
def test_arguments_that_the_real_packages_refuse_are_refused(tmp_path, test, arguments, message):
    project = DUCKDB_IN_MEMORY.install(tmp_path / "refused", STAND_IN_PACKAGES)
    models = [{"name": "readings", "data_tests": [{test: {"arguments": arguments}}]}]
    (project / "models" / "cases.yml").write_text(yaml.safe_dump({"models": models}))
    parsed = dbt(project, "parse")
    assert parsed.returncode != 0
    assert message in " ".join(parsed.stdout.split())


def test_a_consumer_can_override_by_dispatch(tmp_path):
    project = DUCKDB_IN_MEMORY.install(tmp_path / "overridden", STAND_IN_PACKAGES)
    search_order = [CONSUMER_NAME, "dbt_utils"]
    with (project / "dbt_project.yml").open("a") as settings:
        settings.write(
            yaml.safe_dump(
                {"dispatch": [{"macro_namespace": "dbt_utils", "search_order": search_order}]}
            )
        )
    (project / "macros" / "ours.sql").write_text(
        "{% macro default__generate_surrogate_key(field_list) %}our_key(){% endmacro %}"
    )
    compiled = dbt(project, "compile", "--select", "surrogate_keys").stdout
    assert "our_key() as full_key" in compiled


@pytest.mark.skipif(
    HUB_PACKAGES is None,
    reason="VOICE_AI_DBT_HUB_PACKAGES doesn't name a directory with the real dbt_utils,"
    " dbt_expectations and dbt_date",
)
def test_real_packages_say_the_same(engine, built, tmp_path):
    names = ("dbt_utils", "dbt_expectations", "dbt_date")
    verdicts, tables = engine.build(tmp_path / "hub", [Path(HUB_PACKAGES) / name for name in names])
    assert_same(built[0], verdicts)
    assert_same(built[1], tables)
