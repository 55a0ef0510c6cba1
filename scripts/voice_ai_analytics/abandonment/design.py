"""The terms of the abandonment model, and what had to be dropped."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import linalg

MIN_LEVEL_SESSIONS = 30
MIN_LEVEL_USERS = 10
MIN_KNOWN_SHARE = 0.5
MAX_RARE_SHARE = 0.05
# The others explain such a term to R² > 0.999: its own effect would be rounding error.
COLLINEAR_RESIDUAL = 0.001**0.5
# On standardized columns, a smaller weight plays no part in a collinear relation.
MIN_WEIGHT = 0.05


@dataclass(frozen=True, eq=False)
class Term:
    """One column of the design: a number, or membership of a level against a reference."""

    name: str
    feature: str
    values: np.ndarray
    applies: np.ndarray
    level: str | None = None
    reference: str | None = None


@dataclass
class Design:
    """The terms of one data set, and how they came about."""

    terms: list[Term] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def matrix(self) -> np.ndarray:
        """Return the terms as columns after a column of ones, shape (sessions, 1 + terms)."""
        ones = np.ones(len(self.terms[0].values))
        return np.column_stack([ones, *(term.values for term in self.terms)])

    @property
    def standardised(self) -> np.ndarray:
        """Return the same with each term centered and scaled to unit variance."""
        columns = self.matrix
        columns[:, 1:] -= columns[:, 1:].mean(axis=0)
        columns[:, 1:] /= columns[:, 1:].std(axis=0)
        return columns


def encode_features(
    sessions: pd.DataFrame, clusters: np.ndarray, features: list[str], k: int
) -> Design:
    """Return features as terms; drop what can't be estimated, with the reason."""
    design, terms, channel = Design(), {}, pd.Series("", index=sessions.index)
    for feature in sorted(features, key=lambda name: _kind(sessions[name]) == "number"):
        values, kind = sessions[feature], _kind(sessions[feature])
        if kind == "empty":
            design.dropped.append({"term": feature, "reason": "no session has a value"})
        elif kind == "number":
            terms[feature] = _number_terms(feature, values, channel, design, k)
        else:
            levels = _pooled_levels(feature, values, kind, clusters, design)
            terms[feature] = [] if levels is None else _level_terms(feature, levels, kind)
            if feature == "channel" and levels is not None:
                channel = levels
    design.terms = [term for feature in features for term in terms.get(feature, [])]
    if design.terms and not design.left_out:
        _drop_dependent(design)
    return design


def _kind(values: pd.Series) -> str:
    if values.isna().all():
        return "empty"
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred == "boolean":
        return "boolean"
    numeric = ("integer", "floating", "mixed-integer-float", "decimal")
    return "number" if inferred in numeric else "text"


def _pooled_levels(
    feature: str, values: pd.Series, kind: str, clusters: np.ndarray, design: Design
) -> pd.Series | None:
    """Return each session's level, rare ones pooled; None if fewer than two levels remain."""
    levels = values.astype("object").where(values.notna(), "unknown")
    words = {True: "yes", False: "no", "unknown": "unknown"}
    levels = levels.map(words if kind == "boolean" else str)
    rule = f"fewer than {MIN_LEVEL_SESSIONS} sessions or {MIN_LEVEL_USERS} users"

    def rare(levels: pd.Series) -> list[str]:
        counts = pd.DataFrame({"level": levels, "user": clusters}).groupby("level")["user"]
        few = (counts.size() < MIN_LEVEL_SESSIONS) | (counts.nunique() < MIN_LEVEL_USERS)
        return sorted(few.index[few])

    if feature == "language":
        levels = _joined_variants(levels, rare(levels), rule, design)
    pooled = rare(levels)
    if kind == "text" and len(pooled) > 1:
        shown = ", ".join(pooled[:10]) + (" and more" if len(pooled) > 10 else "")
        levels = levels.where(~levels.isin(pooled), "other")
        design.notes.append(f"{feature}: {shown} are pooled as other ({rule} each).")
    few = levels.isin(rare(levels)).to_numpy()
    if levels.nunique() == 1:
        reason = f"constant: {levels.iloc[0]} in every session"
        design.dropped.append({"term": feature, "reason": reason})
        return None
    if levels[~few].nunique() < 2:
        design.dropped.append({"term": feature, "reason": f"all its levels but one have {rule}"})
        return None
    if few.mean() > MAX_RARE_SHARE:
        named = ", ".join(rare(levels))
        reason = f"{few.sum():,} sessions have a level ({named}) of {rule}"
        design.dropped.append({"term": feature, "reason": reason})
        return None
    if few.any():
        design.left_out[f"{feature} of {rule}"] = few
    return levels


def _joined_variants(levels: pd.Series, rare: list[str], rule: str, design: Design) -> pd.Series:
    """Return levels with rare regional variants as their language: en-GB and en-IN as en."""
    variants = [tag for tag in rare if "-" in tag]
    if not variants:
        return levels
    shown = ", ".join(variants[:10]) + (" and more" if len(variants) > 10 else "")
    design.notes.append(f"language: {shown} count as their base language ({rule} each).")
    return levels.where(~levels.isin(variants), levels.str.split("-").str[0])


def _level_terms(feature: str, levels: pd.Series, kind: str) -> list[Term]:
    """Return treatment-coded terms against "no", or else the most common named level."""
    counts = levels.value_counts()
    ranked = sorted(counts.index, key=lambda v: (v in ("unknown", "other"), -counts[v], v))
    reference = "no" if kind == "boolean" and "no" in counts else ranked[0]
    everywhere = np.ones(len(levels), dtype=bool)
    return [
        Term(
            f"{feature}[{level}]",
            feature,
            (levels == level).to_numpy(dtype=float),
            everywhere,
            level,
            reference,
        )
        for level in sorted(counts.index)
        if level != reference
    ]


def _number_terms(
    feature: str, values: pd.Series, channel: pd.Series, design: Design, k: int
) -> list[Term]:
    """Return one term, or none where the feature is constant or rarely known.

    In a channel that never records the feature (chat has no ASR), it doesn't apply. These rows
    get its mean, so they affect the channel's own term but not this slope.
    """
    numbers = values.astype("float64").to_numpy()
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    known = pd.Series(np.isfinite(numbers), index=values.index)
    applies = known.groupby(channel).transform("any").to_numpy()
    known = known.to_numpy()
    least = min(MIN_LEVEL_SESSIONS, len(known))
    if known.sum() < max(least, MIN_KNOWN_SHARE * applies.sum()):
        reason = f"known in only {known.sum():,} of {len(known):,} sessions"
        design.dropped.append({"term": feature, "reason": reason})
        return []
    if np.ptp(numbers[known]) <= 1e-9 * max(1.0, np.abs(numbers[known]).max()):
        reason = f"constant: {numbers[known][0]:g} in every session"
        design.dropped.append({"term": feature, "reason": reason})
        return []
    if not applies.all():
        channels = ", ".join(sorted(channel[~applies].unique()))
        design.notes.append(
            f"{feature} is never recorded in channel {channels}: its effect is estimated from"
            f" the {known.sum():,} sessions that have it; the other {(~applies).sum():,} affect"
            " only the other terms."
        )
    if not (known | ~applies).all():
        what = feature.removeprefix("opening_").replace("_", " ").replace("asr", "ASR")
        where = f" in the first {k} user turns" if feature.startswith("opening_") else ""
        design.left_out[f"no {what}{where}"] = applies & ~known
    return [Term(feature, feature, np.where(known, numbers, numbers[known].mean()), applies)]


def _drop_dependent(design: Design) -> None:
    """Drop each term that is a linear combination of others, the last one first."""
    columns = design.standardised[:, 1:]
    columns /= np.linalg.norm(columns, axis=0)
    # R keeps every linear relation between columns, in only as many rows as there are terms.
    columns = np.linalg.qr(columns, mode="r")
    while True:
        _, r, order = linalg.qr(columns, mode="economic", pivoting=True)
        rank = int((np.abs(np.diag(r)) > COLLINEAR_RESIDUAL).sum())
        if rank == len(order):
            return
        weights = linalg.solve_triangular(r[:rank, :rank], r[:rank, rank])
        related = sorted([order[rank], *order[:rank][np.abs(weights) > MIN_WEIGHT]])
        names = [design.terms[i].name for i in related]
        design.dropped.append(
            {"term": names[-1], "reason": f"collinear with {', '.join(names[:-1])}"}
        )
        del design.terms[related[-1]]
        columns = np.delete(columns, related[-1], axis=1)
