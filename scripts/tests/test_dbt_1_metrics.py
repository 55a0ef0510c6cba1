"""Metrics for dbt 1 are those for dbt 2, as a lock file is what its source says."""

import shutil

import pytest
import yaml

from dbt_1_metrics import REPOSITORY, WRITTEN, dbt_1_metrics


def test_the_file_for_dbt_1_is_up_to_date():
    written = WRITTEN.read_text(encoding="utf-8")
    assert written == dbt_1_metrics(), "run python scripts/dbt_1_metrics.py"
    assert list(WRITTEN.parent.iterdir()) == [WRITTEN]


@pytest.fixture
def copy(tmp_path):
    for part in ("models", "semantic_models"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    return tmp_path


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "models/marts/fact_voice_ai_sessions.yml",
            "        agg: count_distinct\n",
            "        agg: count_distinct\n        filter: channel = 'voice'\n",
        ),
        (
            "semantic_models/dbt_2/voice_ai_rates.yml",
            "    type: ratio\n",
            "    type: ratio\n    fill_nulls_with: 0\n",
        ),
        (
            "models/marts/voice_ai_user_activity.yml",
            "    agg_time_dimension: counted_on\n",
            "    agg_time_dimension: counted_on\n    derived_semantics: {}\n",
        ),
    ],
)
def test_what_is_not_translated_is_refused_and_not_left_out(copy, file, old, new):
    replace(copy / file, old, new)
    with pytest.raises(ValueError, match=r"voice_ai_\w+: .+ translated"):
        dbt_1_metrics(copy)


def test_a_changed_source_changes_the_file_for_dbt_1(copy):
    replace(
        copy / "models" / "marts" / "fact_voice_ai_turns.yml", "percentile: 0.95", "percentile: 0.9"
    )
    models = yaml.safe_load(dbt_1_metrics(copy))["semantic_models"]
    (turns,) = [model for model in models if model["name"] == "voice_ai_turns"]
    percentiles = [
        one["agg_params"]["percentile"] for one in turns["measures"] if "agg_params" in one
    ]
    assert percentiles == [0.5, 0.9, 0.5, 0.9]
