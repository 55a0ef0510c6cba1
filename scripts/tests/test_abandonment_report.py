"""The report says when sessions are abandoned and what other settings find, or why it cannot."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from test_abandonment_hazard import LIFE_TABLE, sessions

from voice_ai_analytics.abandonment.estimate import study_abandonment
from voice_ai_analytics.report.figures import STYLE
from voice_ai_analytics.report.sections import abandonment
from voice_ai_analytics.report.sections.abandonment import (
    HAZARD,
    MODEL,
    NOT_YET,
    SENSITIVITY,
    TABLES,
    sentences,
)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    frame = sessions(LIFE_TABLE).assign(opening_user_turns=3)
    errors = np.random.default_rng(1).binomial(3, 0.3, len(frame)) / 3
    found = study_abandonment(frame.assign(opening_error_proportion=errors)).tables()
    # As a warehouse returns them, with None for a null text.
    return {name: found[name].astype(object).where(found[name].notna(), None) for name in TABLES}


def plots(tables):
    with matplotlib.rc_context(STYLE):
        return abandonment.plots(tables)


def test_before_a_model_the_report_says_what_to_run():
    assert sentences(None) == [NOT_YET]
    assert abandonment.plots(None) == []


def test_sentences_are_the_verdicts(tables):
    told = sentences(tables)
    model = tables[MODEL].iloc[0]
    assert told[0] == model["hazard_verdict"]
    assert "no evidence" in told[0]
    assert len(told) == 4


def test_the_hazard_is_drawn_with_its_numbers(tables):
    hazard, settings = plots(tables)
    assert [row[:6] for row in hazard.rows] == [
        ("Turn 1", "400", "400", "400", "40", "10.0%"),
        ("Turn 2", "300", "300", "300", "30", "10.0%"),
        ("Turn 3 and later", "200", "200", "200", "20", "10.0%"),
    ]
    low, high = tables[HAZARD].iloc[0][["ci_low", "ci_high"]]
    assert f"10.0% ({100 * low:.1f} to {100 * high:.1f})" in hazard.svg
    assert "n 300" in hazard.svg
    main = tables[SENSITIVITY].iloc[0]
    assert f"{main['error_proportion_odds_ratio']:.2f} (" in settings.svg
    assert settings.rows[0][2] == f"{main['n_sessions']:,}"
    assert settings.rows[-1][-1] == "no session makes it differ"


def test_what_was_not_estimated_is_said_and_not_drawn():
    frame = sessions(LIFE_TABLE).assign(outcome="completed")
    found = study_abandonment(frame).tables()
    hazard, settings = plots({name: found[name] for name in TABLES})
    assert hazard.svg is settings.svg is None
    assert "none of 400 sessions was abandoned" in hazard.note
    assert settings.note == "No setting has an odds ratio for errors."
