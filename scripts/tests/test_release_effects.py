"""Estimates of what an ASR release changed, against hand counts and published examples."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from voice_ai_analytics.releases.checks import mix_distance, trend, users_in_both
from voice_ai_analytics.releases.effects import (
    Strata,
    adjusted,
    choose_strata,
    paired,
    raw,
    standardise,
)
from voice_ai_analytics.releases.frame import METRICS, MIX, WORD_ERRORS, metric_rows
from voice_ai_analytics.releases.groups import (
    Design,
    difference_in_differences,
    find_design,
    within,
)
from voice_ai_analytics.releases.series import interrupted, phases, segmented
from voice_ai_analytics.statistics.intervals import clustered, newcombe

COMPLETION = METRICS[0]


def load_benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "asr_release.py"
    spec = importlib.util.spec_from_file_location("asr_release", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()


def rows_of(cells, **columns) -> pd.DataFrame:
    """Return rows from (is_after, stratum, successes, sessions), one user per session."""
    parts = [
        pd.DataFrame(
            {
                "is_after": bool(is_after),
                "language": stratum,
                "numerator": np.repeat([1.0, 0.0], [successes, sessions - successes]),
            }
        )
        for is_after, stratum, successes, sessions in cells
    ]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(denominator=1.0, cluster=np.arange(len(rows)), has_user=True)
    rows = rows.assign(week=pd.Timestamp("2026-01-05"), **dict.fromkeys(MIX[1:], "all"))
    return rows.assign(**columns)


def simulated(seed=1, metric=COMPLETION, **options) -> pd.DataFrame:
    return metric_rows(BENCHMARK.deployment(np.random.default_rng(seed), **options)[0], metric)


# Charig and others, BMJ 292 (1986) 879: kidney stones removed by percutaneous nephrolithotomy
# (here before) and by open surgery (here after), small and large ones.
STONES = [
    (0, "small", 234, 270),
    (0, "large", 55, 80),
    (1, "small", 81, 87),
    (1, "large", 192, 263),
]


def test_standardised_rates_of_kidney_stones_are_those_by_hand():
    rows = rows_of(STONES)
    strata = choose_strata(rows)
    effect, influence = adjusted(rows, strata)
    small, large = 357 / 700, 343 / 700
    before, after = small * 234 / 270 + large * 55 / 80, small * 81 / 87 + large * 192 / 263
    assert effect["rate_before"] == pytest.approx(before)
    assert effect["rate_after"] == pytest.approx(after)
    assert effect["difference"] == pytest.approx(after - before)
    assert influence.sum() == pytest.approx(0)
    # The raw difference has the other sign: Simpson's paradox.
    assert raw(rows, COMPLETION)["difference"] == pytest.approx(273 / 350 - 289 / 350)
    assert effect["difference"] > 0.05


def test_standardised_error_of_kidney_stones_is_that_by_hand():
    """Return the variance of the rates at given weights, and of the weights at given rates."""
    effect, _ = adjusted(rows_of(STONES), choose_strata(rows_of(STONES)))
    variance, gaps = 0, {}
    for is_after, stratum, k, n in STONES:
        weight, p = {"small": 357, "large": 343}[stratum] / 700, k / n
        variance += weight**2 * p * (1 - p) / (n - 1)
        gaps[stratum] = gaps.get(stratum, 0) + (p if is_after else -p)
    mean = (357 * gaps["small"] + 343 * gaps["large"]) / 700
    spread = (357 * (gaps["small"] - mean) ** 2 + 343 * (gaps["large"] - mean) ** 2) / 700
    assert effect["std_error"] == pytest.approx(
        np.sqrt((variance + spread / 700) * 700 / 699), rel=1e-9
    )


def test_adjustment_is_g_computation_of_a_saturated_model():
    rows = simulated(shift=0.5, effect=0.05)
    strata = choose_strata(rows)
    inside = rows[strata.inside].assign(stratum=strata.codes[strata.inside]).reset_index(drop=True)
    dummies = pd.get_dummies(inside["stratum"], dtype=float)
    after = inside["is_after"].astype(float)
    model = sm.OLS(inside["numerator"], pd.concat([dummies, dummies.mul(after, axis=0)], axis=1))
    fitted = model.fit().params.to_numpy()
    predicted = dummies.to_numpy() @ fitted[len(dummies.columns) :]
    assert adjusted(rows, strata)[0]["difference"] == pytest.approx(predicted.mean(), rel=1e-9)


@pytest.mark.parametrize("metric", [COMPLETION, METRICS[3]])
def test_adjusted_error_is_that_of_leaving_out_users_in_turn(metric):
    """The jackknife treats the strata's weights and the ratio's denominator as random, too."""
    rows = simulated(users=150, sessions_of_a_user=5, weeks=4, shift=0.4, metric=metric)
    strata = choose_strata(rows)
    rows, codes = rows[strata.inside], strata.codes[strata.inside]
    difference, influence, _ = standardise(rows, codes)
    kept = [rows["cluster"].to_numpy() != user for user in rows["cluster"].unique()]
    left = np.array([standardise(rows[keep], codes[keep])[0] for keep in kept])
    jackknife = np.sqrt((len(left) - 1) * left.var())
    assert clustered(difference, influence, rows["cluster"])["std_error"] == (
        pytest.approx(jackknife, rel=0.05)
    )


def test_raw_shares_have_newcombes_interval():
    effect = raw(rows_of([(0, "en", 20, 50), (1, "en", 30, 50)]), COMPLETION)
    assert (effect["ci_low"], effect["ci_high"]) == newcombe(30, 50, 20, 50)
    # Pooled z of 0.2 over the root of 0.25 (2 / 50) is 2.
    assert effect["p_value"] == pytest.approx(0.0455, abs=5e-5)


def test_strata_are_as_fine_as_the_users_allow():
    rows = rows_of([(0, "en", 50, 100), (1, "en", 50, 100)])
    sparse = np.where(np.arange(200) % 100 < 6, "rare", "common")
    fine = choose_strata(rows.assign(channel=sparse))
    assert (fine.columns, fine.shared) == (MIX, 0.94)
    assert (fine.codes[sparse == "rare"] == -1).all()
    # One in five sessions is in a stratum of nine users, so those strata are merged.
    thin = (np.arange(200) % 100 // 9).astype(str)
    assert choose_strata(rows.assign(region=thin)).columns == ("language", "channel")
    # Many sessions of few users count as few.
    assert choose_strata(rows.assign(cluster=np.arange(200) % 9)).shared == 0


def test_releases_without_a_shared_language_share_no_stratum():
    rows = rows_of([(0, "en", 50, 100), (1, "hi", 50, 100)])
    assert choose_strata(rows).shared == 0
    assert mix_distance(rows)[0] == 1


def test_distance_of_mixes_is_the_share_that_would_have_to_be_others():
    rows = rows_of([(0, "en", 0, 60), (0, "hi", 0, 40), (1, "en", 0, 30), (1, "hi", 0, 70)])
    assert mix_distance(rows)[0] == pytest.approx(0.3)
    rng = np.random.default_rng(1)
    chance = [
        mix_distance(rows.assign(is_after=rng.permutation(rows["is_after"]))) for _ in range(200)
    ]
    assert np.mean([d for d, _ in chance]) == pytest.approx(chance[0][1], rel=0.15)


def test_users_in_both_are_counted_once():
    rows = rows_of([(0, "en", 1, 3), (1, "en", 1, 3)], cluster=[0, 1, 2, 0, 0, 3])
    assert users_in_both(rows) == (1, 4)
    assert users_in_both(rows.assign(has_user=False)) == (0, 0)


def test_a_shift_of_the_mix_fools_the_raw_difference_only():
    rows = simulated(shift=0.5)
    assert raw(rows, COMPLETION)["p_value"] < 0.01
    effect, _ = adjusted(rows, choose_strata(rows))
    assert effect["ci_low"] < 0 < effect["ci_high"]


def test_the_adjusted_interval_covers_the_truth():
    """Run a short version of benchmarks/asr_release.py: by chance, 95 % of 150 is 136 to 149."""
    result = BENCHMARK.coverage(150, 9, effect=0.05, users=250, sessions_of_a_user=4, weeks=4)
    assert 0.9 < result["adjusted_covered"] < 0.995
    shocks = BENCHMARK.coverage(60, 9, effect=0.05, shock=0.06, users=400)
    assert shocks["adjusted_covered"] > 0.85 > shocks["raw_covered"]


def test_a_trend_is_taken_out_of_the_difference():
    """Half a point a week over ten weeks between the midpoints: five points, all trend."""
    rows = simulated(trend=0.005, users=4000)
    strata = choose_strata(rows)
    effect, influence = adjusted(rows, strata)
    line = trend(rows, strata, effect["difference"], influence)
    assert line.change == pytest.approx(0.05, abs=0.025)
    assert line.is_in_the_way
    assert line.left["difference"] == pytest.approx(effect["difference"] - line.change)
    rows = simulated(effect=0.2, users=2000)
    effect, influence = adjusted(rows, choose_strata(rows))
    assert not trend(rows, choose_strata(rows), effect["difference"], influence).is_in_the_way


def test_paired_errors_are_counted_in_the_same_turns():
    """Compare with a hand count: in 30 sessions, 2 or 4 of 10 words were wrong, then half."""
    errors = np.tile([1.0, 2.0], 15)
    frame = pd.DataFrame({"paired_errors_after": errors, "session_key": "s"})
    frame = frame.assign(paired_errors_before=2 * errors, user_key=np.arange(30).astype(str))
    frame = frame.assign(paired_words_before=10.0, paired_words_after=10.0)
    effect = paired(frame)
    assert effect["difference"] == pytest.approx(0.15 - 0.3)
    assert effect["std_error"] == pytest.approx(errors.std(ddof=1) / 10 / np.sqrt(30))
    assert effect["n_before"] == effect["n_after"] == 300
    assert paired(frame.assign(paired_words_before=np.nan)) is None


def test_a_session_counts_for_each_release_that_transcribed_it():
    sums = {"errors_before": 1.0, "words_before": 5.0, "errors_after": np.nan, "words_after": 0.0}
    frame = pd.DataFrame([sums, sums | {"errors_after": 2.0, "words_after": 4.0}])
    frame = frame.assign(session_key=["a", "b"], user_key=None, started_on="2026-01-07")
    rows = metric_rows(frame.assign(**dict.fromkeys(MIX)), WORD_ERRORS)
    assert rows[["numerator", "denominator"]].to_numpy().tolist() == [[1, 5], [1, 5], [2, 4]]
    assert rows["is_after"].tolist() == [False, False, True]
    # A session is one cluster, whichever release transcribed it. Its week begins on Monday.
    assert rows["cluster"].tolist() == [0, 1, 1]
    assert (rows["week"] == pd.Timestamp("2026-01-05")).all()
    assert (rows["region"] == "not known").all()


MONDAYS = pd.Series(pd.date_range("2026-01-05", periods=20, freq="7D"))


def test_weeks_of_both_releases_belong_to_neither():
    weeks = MONDAYS.repeat(100).reset_index(drop=True)
    place = np.repeat(np.arange(20), 100)
    clean = phases(weeks, pd.Series(place >= 10))
    assert (clean.last_before, clean.first_after) == (MONDAYS[9], MONDAYS[10])
    assert (clean.mixed_weeks, clean.strays, clean.is_clean) == (0, 0, True)
    share = np.clip((place - 9) / 4, 0, 1)
    ramp = phases(weeks, pd.Series(np.tile(np.arange(100), 20) < 100 * share))
    assert (ramp.last_before, ramp.first_after) == (MONDAYS[9], MONDAYS[13])
    assert (ramp.mixed_weeks, ramp.is_clean) == (3, True)
    both = phases(weeks, pd.Series(np.arange(2000) % 2 == 0))
    assert not both.is_clean
    strays = phases(weeks, pd.Series((place >= 10) ^ (np.arange(2000) % 25 == 0)))
    assert strays.is_clean and strays.strays == pytest.approx(0.04)


def test_a_jump_is_that_of_least_squares_and_its_error_that_of_alike_weeks():
    rng = np.random.default_rng(0)
    time = np.arange(-12, 14)
    rate = (
        0.5 + 0.01 * time + 0.1 * (time >= 0) + np.convolve(rng.normal(0, 0.02, 27), [1, 1])[1:-1]
    )
    found = segmented(rate, time)
    after = (time >= 0).astype(float)
    design = np.column_stack([np.ones(26), time, after, after * time])
    model = sm.OLS(rate, design).fit()
    assert found[0]["difference"] == pytest.approx(model.params[2])
    assert found[1]["difference"] == pytest.approx(model.params[2] + 13 * model.params[3])
    alike = found[0]["autocorrelation"] ** np.abs(np.subtract.outer(time, time))
    inverse = np.linalg.inv(design.T @ design)
    scale = model.ssr / np.trace(alike - design @ inverse @ design.T @ alike)
    covariance = scale * inverse @ design.T @ alike @ design @ inverse
    assert found[0]["std_error"] == pytest.approx(np.sqrt(covariance[2, 2]))
    assert found[0]["autocorrelation"] > 0.3


def test_weeks_that_are_not_alike_have_the_errors_of_least_squares():
    """In an alternating series the autocorrelation is negative, so there is no correction."""
    time = np.arange(-10, 10)
    rate = 0.5 + 0.01 * (-1.0) ** time
    after = (time >= 0).astype(float)
    model = sm.OLS(rate, np.column_stack([np.ones(20), time, after, after * time])).fit()
    found = segmented(rate, time)
    assert found[0]["std_error"] == pytest.approx(model.bse[2])
    assert (found[0]["ci_low"], found[0]["ci_high"]) == pytest.approx(model.conf_int()[2])
    assert found[0]["p_value"] == pytest.approx(model.pvalues[2])


def test_series_cover_where_newey_and_west_do_not():
    rng = np.random.default_rng(2)
    time = np.arange(-10, 10)
    after = (time >= 0).astype(float)
    design = np.column_stack([np.ones(20), time, after, after * time])
    ours = theirs = 0
    for _ in range(150):
        noise = rng.normal(size=21)
        rate = noise[1:] + 0.4 * noise[:-1]
        found = segmented(rate, time)[0]
        ours += found["ci_low"] <= 0 <= found["ci_high"]
        options = {"maxlags": 2, "use_correction": True}
        hac = sm.OLS(rate, design).fit(cov_type="HAC", cov_kwds=options, use_t=True)
        low, high = hac.conf_int()[2]
        theirs += low <= 0 <= high
    assert theirs / 150 < 0.88 < 0.91 < ours / 150


# Monthly acute coronary events and standardised population of Sicily, 2002 to November 2006; in
# January 2005 smoking was banned. Lopez Bernal, Cummins, Gasparrini (2017), International Journal
# of Epidemiology 46, whose model has a rate ratio of 0.894 (0.864 to 0.925) at the ban.
EVENTS = """728 659 791 734 757 726 760 740 720 814 795 858 887 766 851 769 781 756 766 752 765 831
879 928 914 808 937 840 916 828 845 818 860 839 887 886 831 796 833 820 877 758 767 738 781 843 850
908 1021 859 976 888 962 838 810 876 843 936 912"""
PEOPLE = """
379875.3 376495.5 377040.8 377116.4 377383.4 374113.1 379513.3 376295.5 374653.2 378485.6
375955.5 378349.7 376762.4 379032.3 379360.4 376162 377972.4 381830.7 379888.6 380872.2 380966.9
381240.4 382104.9 381802.7 381656.3 383680 383504.2 386462.9 383783.1 380836.8 383483 380906.2
382926.8 384052.4 384449.6 383428.4 388153.2 388373.2 386470.1 386033.2 383686.4 385509.3 385901.9
386516.6 388436.5 383255.2 390148.7 385874.9 391613.6 391750.4 394005.6 391364.9 391664.6 389022.3
391878.5 388575.3 392989 390018.8 390712.3"""


def test_the_jump_at_the_smoking_ban_of_sicily_is_the_published_one():
    rate = np.array(EVENTS.split(), float) / np.array(PEOPLE.split(), float)
    time = np.arange(59) - 36
    jump = segmented(rate, time)[0]
    line = np.polyval(np.polyfit(time[:36], rate[:36], 1), 0)
    assert 0.864 < 1 + jump["difference"] / line < 0.925
    assert jump["ci_high"] < 0


def test_a_series_declines_with_few_weeks_and_releases_side_by_side():
    rows = simulated(weeks=7)
    effects, declined = interrupted(rows, phases(rows["week"], rows["is_after"]))
    assert not effects and "7 weeks before and 7 after" in declined
    rows = simulated().assign(is_after=lambda r: np.arange(len(r)) % 2 == 0)
    effects, declined = interrupted(rows, phases(rows["week"], rows["is_after"]))
    assert not effects and "side by side" in declined
    rows = simulated()
    rows.loc[rows["is_after"], "week"] += pd.Timedelta(weeks=6)
    effects, declined = interrupted(rows, phases(rows["week"], rows["is_after"]))
    assert not effects and "6 weeks lie between" in declined


def test_difference_in_differences_of_card_and_krueger():
    """Compare with American Economic Review 84 (1994), table 3: 2.76, from cell means."""
    cells = pd.DataFrame(
        {
            "group": ["PA", "PA", "NJ", "NJ"],
            "week": [0, 1, 0, 1],
            "numerator": [23.33, 21.17, 20.44, 21.03],
            "denominator": 1.0,
        }
    )
    estimate, _ = within(cells, pd.Series([0.0, 0.0, 0.0, 1.0]))
    # From unrounded means; rounded means give 2.75.
    assert estimate == pytest.approx(2.76, abs=0.015)


def test_difference_in_differences_is_that_of_least_squares_with_clustered_errors():
    rows = find_design(simulated(effect=0.05, kept=("hi", "ta"))).rows.reset_index(drop=True)
    treated = (rows["is_treated"] & rows["is_post"]).astype(float)
    estimate, influence = within(rows, treated)
    constants = pd.get_dummies(rows[["group", "week"]].astype(str), dtype=float)
    design = pd.concat(
        [treated.rename("effect"), constants.drop(columns=constants.columns[[0, -1]])], axis=1
    )
    model = sm.OLS(rows["numerator"], sm.add_constant(design)).fit(
        cov_type="cluster", cov_kwds={"groups": rows["cluster"]}
    )
    assert estimate == pytest.approx(model.params["effect"])
    n, k = len(rows), int(model.df_model) + 1
    ours = clustered(estimate, influence, rows["cluster"])["std_error"]
    # statsmodels also multiplies the variance by (N - 1) / (N - K).
    assert ours == pytest.approx(model.bse["effect"] * np.sqrt((n - k) / (n - 1)), rel=1e-6)


def test_groups_that_switched_are_told_from_those_that_kept():
    design = find_design(simulated(kept=("hi", "ta")))
    assert (design.by, design.treated, design.controls) == (
        ("language",),
        ["en", "es"],
        ["hi", "ta"],
    )
    assert find_design(simulated()) is None


def test_groups_that_switch_later_are_compared_after_the_last_did():
    rows = simulated(kept=("hi",), users=1500)
    late = (rows["language"] == "es") & (rows["week"] < rows["week"].min() + pd.Timedelta(weeks=13))
    design = find_design(rows.assign(is_after=rows["is_after"] & ~late))
    weeks = (design.rows["week"] - rows["week"].min()).dt.days // 7
    assert sorted(weeks[~design.rows["is_post"]].unique()) == list(range(10))
    assert sorted(weeks[design.rows["is_post"]].unique()) == list(range(13, 20))
    assert design.left_out == len(rows) - len(design.rows)


def test_a_trend_of_all_is_no_effect_and_a_trend_of_some_is_no_design():
    common = find_design(simulated(kept=("hi", "ta"), trend=0.01, effect=0.1))
    effect, declined = difference_in_differences(common)
    assert not declined
    assert effect["ci_low"] < 0.1 < effect["ci_high"]
    own = find_design(simulated(kept=("hi", "ta"), kept_trend=-0.025, users=2000))
    effect, declined = difference_in_differences(own)
    assert "a different trend" in declined
    assert effect["trend_p_value"] < 0.1


def test_few_users_or_weeks_are_no_design():
    design = find_design(simulated(kept=("ta",), users=120, sessions_of_a_user=2))
    assert "users in a period" in difference_in_differences(design)[1]
    short = find_design(simulated(kept=("hi", "ta"), weeks=3))
    assert "fewer than 4 weeks" in difference_in_differences(short)[1]
    assert isinstance(short, Design) and isinstance(choose_strata(short.rows), Strata)
    # Weeks of groups that kept the earlier release say nothing about the others' trend.
    rows = simulated(kept=("hi", "ta"), users=2000)
    release = rows.loc[rows["is_after"], "week"].min()
    early = rows["week"] < release - pd.Timedelta(weeks=1)
    design = find_design(rows[~early | rows["language"].isin(("hi", "ta"))].reset_index(drop=True))
    assert "fewer than 4 weeks before" in difference_in_differences(design)[1]
