"""Whether a recognizer's confidence is the share of words that it got right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from voice_ai_analytics.asr.spool import Spool

BINS = 10  # of equal width over [0, 1]
REPLICATES = 1000
FEWEST_CLUSTERS = 30
FEWEST_WORDS = 200
FEWEST_IN_BIN = 30  # words behind a point of the curve


@dataclass
class BinSums:
    """Sums of words, hits and confidence by bin, also for each bootstrap replicate.

    Sessions are added in batches, so memory doesn't grow with their number.
    """

    rng: np.random.Generator
    clusters: int = 0
    sums: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS)))
    replicates: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS, REPLICATES)))

    def add(self, clusters: np.ndarray) -> None:
        """Add clusters.

        Parameters
        ----------
        clusters : numpy.ndarray, shape (n, 3 * BINS)
            For each cluster, by bin: recognized words, then hits among them, then the sum of their
            turns' confidence over these words.
        """
        self.clusters += len(clusters)
        for start in range(0, len(clusters), 5000):
            part = clusters[start : start + 5000]
            weights = self.rng.poisson(1, (len(part), REPLICATES)).astype(float)
            self.sums += part.sum(0).reshape(3, BINS)
            self.replicates += (part.T @ weights).reshape(3, BINS, REPLICATES)


def calibrate(bins: BinSums) -> dict:
    """Return how far confidence is from correctness.

    Parameters
    ----------
    bins : BinSums
        Sums over the turns of one language and ASR model.

    Returns
    -------
    dict
        `words`, `clusters`, and where there are enough of both: `correctness`, the share of
        recognized words that are right; `confidence`, its mean over the same words; `gap`,
        confidence minus correctness, with `gap_ci_low` and `gap_ci_high`;
        `expected_calibration_error` with `ci_low`, `ci_high` and the `p_value` of perfect
        calibration; `curve`, one dict per bin of at least 30 words. `declined` says why a number
        is missing, and is empty otherwise.

    Notes
    -----
    The expected calibration error is the mean over words of the absolute gap of their bin (Naeini
    and others, AAAI 2015). Chance alone makes it positive, so its bootstrap is biased upwards: the
    interval spans the percentile interval and the reversed one, and starts at 0 where the data are
    compatible with perfect calibration. The p value is the share of replicates whose error, from
    gaps minus the observed ones, is at least as large.
    """
    words, hits, confidence = bins.sums
    total = words.sum()
    result = {"words": int(total), "clusters": bins.clusters, "declined": "", "curve": []}
    names = ("correctness", "confidence", "gap", "gap_ci_low", "gap_ci_high")
    names += ("expected_calibration_error", "ci_low", "ci_high", "p_value")
    result |= dict.fromkeys(names)
    if total < FEWEST_WORDS or bins.clusters < FEWEST_CLUSTERS:
        result["declined"] = (
            f"{total:,.0f} recognized words of {bins.clusters:,} sessions or turns of no known"
            f" session; it takes {FEWEST_WORDS} of {FEWEST_CLUSTERS}"
        )
        return result
    drawn = bins.replicates
    gaps = (drawn[2] - drawn[1]) / drawn[0].sum(0)
    gap = (confidence - hits) / total
    result["correctness"], result["confidence"] = hits.sum() / total, confidence.sum() / total
    result["gap"] = gap.sum()
    result["gap_ci_low"], result["gap_ci_high"] = np.quantile(gaps.sum(0), [0.025, 0.975])
    error = np.abs(gap).sum()
    by_chance = np.abs(gaps - gap[:, None]).sum(0)
    p_value = (1 + (by_chance >= error).sum()) / (1 + REPLICATES)
    ends = np.quantile(np.abs(gaps).sum(0), [0.025, 0.975])
    ends = np.concatenate([ends, 2 * error - ends])
    result |= {
        "expected_calibration_error": error,
        "ci_low": max(ends.min(), 0.0) if p_value < 0.05 else 0.0,
        "ci_high": ends.max(),
        "p_value": p_value,
    }
    for place in np.flatnonzero(words >= FEWEST_IN_BIN):
        result["curve"].append(_point(place, bins))
    return {
        name: float(value) if isinstance(value, np.floating) else value
        for name, value in result.items()
    }


def _point(place: int, bins: BinSums) -> dict:
    words, hits, confidence = bins.sums[:, place]
    drawn = bins.replicates[:, place]
    shares = drawn[1, drawn[0] > 0] / drawn[0, drawn[0] > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    is_known = low < high
    return {
        "bin_low": place / BINS,
        "bin_high": (place + 1) / BINS,
        "words": int(words),
        "confidence": float(confidence / words),
        "correctness": float(hits / words),
        "ci_low": float(low) if is_known else None,
        "ci_high": float(high) if is_known else None,
    }


def warning(models: Iterable[str]) -> str:
    """Return the warning about confidences of several ASR models, or an empty text for one.

    Parameters
    ----------
    models : iterable of str
        Their names.

    Returns
    -------
    str
    """
    models = sorted(models)
    if len(models) < 2:
        return ""
    return (
        f"Confidences of {', '.join(models)} are not on one scale: do not compare them, nor their"
        " means or shares of low confidence. Compare word error rates."
    )


def calibrations(spool: Spool, groups: list[dict], seed: int) -> list[dict]:
    """Return the calibration of each language and ASR model.

    Parameters
    ----------
    spool : Spool
        Scored.
    groups : list of dict
        As in `AsrEvaluation`; what is suppressed there is suppressed here.
    seed : int
        Random seed for the bootstraps.

    Returns
    -------
    list of dict
        From `calibrate`, with `language` and `asr_model`.
    """
    sums = ", ".join(
        f"coalesce(sum({value}) filter (bin = {place}), 0) as s{number}_{place}"
        for number, value in enumerate(
            ("recognized_words", "hits", "confidence * recognized_words")
        )
        for place in range(10)
    )
    source = f"""
        select
            language, asr_model, coalesce(cluster, turn_hash) as cluster,
            min(confidence) as least, max(confidence) as most, {sums}
        from (
            select *, least(cast(floor(confidence * 10) as integer), 9) as bin from scored
            where
                language is not null and asr_model is not null
                and confidence between 0 and 1 and recognized_words > 0
        )
        group by language, asr_model, coalesce(cluster, turn_hash)
        order by language, asr_model, cluster
    """
    found: dict[tuple, BinSums] = {}
    ends: dict[tuple, list[float]] = {}
    for batch in spool.database.sql(source).to_arrow_reader(20_000):
        for key, rows in batch.to_pandas().groupby(["language", "asr_model"], sort=False):
            bins = found.setdefault(key, BinSums(np.random.default_rng(seed)))
            bins.add(rows.iloc[:, 5:].to_numpy(dtype=float))
            ends.setdefault(key, []).extend((rows["least"].min(), rows["most"].max()))
    hidden = {
        (group["language"], group["asr_model"]): group["suppressed"]
        for group in groups
        if group["by"] == ["language", "asr_model"]
    }
    results = []
    for key in sorted(found):
        result = dict(zip(("language", "asr_model"), key, strict=True)) | calibrate(found[key])
        if reason := hidden.get(key):
            result = {n: v if n in ("language", "asr_model") else None for n, v in result.items()}
            result |= {"declined": reason, "curve": []}
        elif min(ends[key]) == max(ends[key]) and not result["declined"]:
            result |= dict.fromkeys(("expected_calibration_error", "ci_low", "ci_high", "p_value"))
            result |= {"declined": "all confidences are equal; only their gap is estimated"}
            result |= {"curve": []}
        results.append(result)
    return results
