"""Whether a recogniser's confidence is the share of words that it got right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

BINS = 10  # of equal width over [0, 1]
REPLICATES = 1000
FEWEST_CLUSTERS = 30
FEWEST_WORDS = 200
FEWEST_IN_BIN = 30  # words of a point of the curve


@dataclass
class BinSums:
    """Sums of words, of hits and of confidence by bin, and the same of each bootstrap replicate.

    Fed session by session, so that memory does not grow with their number.
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
            Of each cluster and bin: recognised words, then hits among them, then the sum over
            them of their turn's confidence.
        """
        self.clusters += len(clusters)
        for start in range(0, len(clusters), 5000):
            part = clusters[start : start + 5000]
            weights = self.rng.poisson(1, (len(part), REPLICATES)).astype(float)
            self.sums += part.sum(0).reshape(3, BINS)
            self.replicates += (part.T @ weights).reshape(3, BINS, REPLICATES)


def calibrate(bins: BinSums) -> dict:
    """Compare confidence with correctness.

    Parameters
    ----------
    bins : BinSums
        Of the turns of one language and ASR model.

    Returns
    -------
    dict
        `words`, `clusters`, and where there are enough of both: `correctness`, the share of
        recognised words that are right; `confidence`, its mean over the same words; `gap`,
        confidence less correctness, with `gap_ci_low` and `gap_ci_high`;
        `expected_calibration_error` with `ci_low`, `ci_high` and `p_value` of a perfect
        calibration; `curve`, one dict a bin of at least 30 words. `declined` says why a number is
        missing, or is empty.

    Notes
    -----
    The expected calibration error is the mean over words of the absolute gap of their bin (Naeini
    and others, AAAI 2015). Chance alone makes it positive, so its bootstrap is off to the right:
    the interval spans the percentile interval and the reversed one, and begins at 0 where a perfect
    calibration is no surprise. The p value is the share of replicates whose error, gaps less the
    ones observed, is as large.
    """
    words, hits, confidence = bins.sums
    total = words.sum()
    result = {"words": int(total), "clusters": bins.clusters, "declined": "", "curve": []}
    names = ("correctness", "confidence", "gap", "gap_ci_low", "gap_ci_high")
    names += ("expected_calibration_error", "ci_low", "ci_high", "p_value")
    result |= dict.fromkeys(names)
    if total < FEWEST_WORDS or bins.clusters < FEWEST_CLUSTERS:
        result["declined"] = (
            f"{total:,.0f} recognised words of {bins.clusters:,} sessions or turns of no known"
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
    """Give the warning that belongs beside confidences of several ASR models, or nothing."""
    models = sorted(models)
    if len(models) < 2:
        return ""
    return (
        f"Confidences of {', '.join(models)} are not on one scale: do not compare them, nor their"
        " means or shares of low confidence. Compare word error rates."
    )
