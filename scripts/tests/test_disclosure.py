"""No hidden number of exported tables can be found from those that are shown.

Random tables are attacked twice: by the audit, and by a reader who shares no code with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pytest
from attacker import Knowledge, allows, is_computed

from voice_ai_analytics.metrics.disclosure.groups import Rows
from voice_ai_analytics.metrics.disclosure.parts import Definitions
from voice_ai_analytics.metrics.disclosure.plan import Plan, Published

LEAST = 3
MANY = 10_000 if os.environ.get("VOICE_AI_FAULTS") == "full" else 200
BATCH = 100


def simple(name: str) -> dict:
    return {"name": name, "type": "simple", "type_params": {"measure": {"name": f"{name}_measure"}}}


SEMANTICS = {
    "metrics": [
        simple("voice_ai_sessions"),
        simple("completed"),
        {
            "name": "rate",
            "type": "ratio",
            "type_params": {
                "numerator": {"name": "completed"},
                "denominator": {"name": "voice_ai_sessions"},
            },
        },
    ],
    "semantic_models": [
        {
            "measures": [
                {"name": f"{name}_measure", "agg": "sum"}
                for name in ("voice_ai_sessions", "completed")
            ]
        }
    ],
}


@dataclass(frozen=True)
class Case:
    """Tables over the same sessions, and what is hidden in them."""

    rows: Rows
    tables: list[Published]
    plan: Plan

    def shown(self):
        """Return the rows of each level of each table: keys, members, and what is hidden."""
        count = len(self.rows.sessions)
        for table in self.tables:
            for names in table.levels:
                found: dict[tuple, set[int]] = {}
                order = sorted(names)
                for row in range(count):
                    key = tuple(self.rows.dimensions[name][row] for name in order)
                    found.setdefault(key, set()).add(row)
                keys = {
                    name: np.array([key[place] for key in found], dtype=object)
                    for place, name in enumerate(order)
                }
                hidden = self.plan.closed(table, names, keys, len(found))
                yield table, names, keys, list(found.values()), hidden


def random_case(seed: int) -> Case:
    """Make one or two tables with all totals, over a few sessions of as many users."""
    rng = np.random.default_rng(seed)
    shape = [(2, 3), (3, 3), (2, 2, 2), (4, 3), (2, 3, 2)][rng.integers(5)]
    names = ["a", "b", "c"][: len(shape)]
    cells = list(product(*map(range, shape)))
    sizes = rng.geometric(0.35, len(cells)) * (rng.random(len(cells)) < 0.8)
    if not sizes.any():
        sizes[0] = 1
    drawn = np.repeat(np.arange(len(cells)), sizes)
    dimensions = {
        name: np.array([f"{name}{cells[cell][place]}" for cell in drawn], dtype=object)
        for place, name in enumerate(names)
    }
    tables = [tuple(names)]
    if rng.random() < 0.5:
        # A second table that shares a dimension, and so its totals.
        dimensions["d"] = np.array(
            [f"d{value}" for value in rng.integers(0, 3, len(drawn))], object
        )
        tables.append((names[0], "d"))
    count = len(drawn)
    completed = (rng.random(count) < rng.choice([0.1, 0.5, 0.9])).astype(float)
    rows = Rows(
        dimensions,
        users=np.arange(1, count + 1, dtype=np.uint64),
        sessions=np.arange(1, count + 1, dtype=np.uint64),
        numbers={"voice_ai_sessions": np.ones(count), "completed": completed},
    )
    published = [
        Published(
            f"table_{number}",
            ("voice_ai_sessions", "rate"),
            tuple(
                frozenset(kept) for size in range(len(of) + 1) for kept in combinations(of, size)
            ),
            (),
        )
        for number, of in enumerate(tables)
    ]
    plan = Plan(published, Definitions(SEMANTICS), LEAST, lambda *_: rows, lambda *_: True)
    return Case(rows, published, plan)


def possible_groups(case: Case) -> list[dict[str, str]]:
    """Return the finest groups that a reader can't exclude: their rows are in all tables."""
    found: list[dict[str, str]] = [{}]
    for table in case.tables:
        names = sorted(max(table.levels, key=len))
        rows = set(zip(*(case.rows.dimensions[name] for name in names), strict=True))
        found = [
            group | dict(zip(names, row, strict=True))
            for group in found
            for row in sorted(rows)
            if all(group.get(name, value) == value for name, value in zip(names, row, strict=True))
        ]
    return found


def attacks(case: Case) -> list[str]:
    """Return every hidden number that the reader finds."""
    groups, told = possible_groups(case), []
    place = {tuple(sorted(group.items())): number for number, group in enumerate(groups)}
    dimensions = sorted(case.rows.dimensions)
    of_row = np.array(
        [
            place[tuple(zip(dimensions, row, strict=True))]
            for row in zip(*(case.rows.dimensions[name] for name in dimensions), strict=True)
        ]
    )
    amounts = {
        "voice_ai_sessions": np.ones(len(of_row)),
        "rate": case.rows.numbers["completed"],
    }
    for metric, amount in amounts.items():
        seen, hidden = {}, {}
        for _, names, keys, rows, closed in case.shown():
            for number, (members, is_hidden) in enumerate(zip(rows, closed[metric], strict=True)):
                cells = frozenset(
                    place
                    for place, group in enumerate(groups)
                    if all(group[name] == keys[name][number] for name in names)
                )
                total = int(amount[list(members)].sum())
                (hidden if is_hidden else seen)[cells] = total, len(members)
        none = [cells for cells, (total, _) in seen.items() if total == 0]
        nobody = frozenset().union(*none)
        everybody = frozenset().union(
            *(one for one, (total, size) in seen.items() if total == size)
        )
        if metric == "voice_ai_sessions":
            unknown = set(hidden)
        # One table may hide what another shows: nothing is hidden then.
        told += [f"{metric}: shown elsewhere" for cells in hidden if cells in seen]
        # The reader of a share is told how many sessions it is of, also where that is hidden.
        truth = np.bincount(of_row, amount, minlength=len(groups)).astype(int).tolist()
        published = {**seen, **hidden}
        most = [(cells, whole) for cells, (_, whole) in published.items() if metric == "rate"]
        knowledge = Knowledge([(cells, total) for cells, (total, _) in seen.items()], most)
        for cells, (total, _) in hidden.items():
            if cells <= nobody or (metric == "rate" and cells <= everybody):
                continue  # of groups that are shown, and none of them singled out
            if metric == "rate" and cells in unknown and total:
                continue  # a share of a number that isn't known
            if is_computed(knowledge, cells):
                told.append(f"{metric}: {total} computed")
                continue
            # All of these differ by more than a tenth where the group is small.
            others = [total + step for step in (1, -1, 2, -2, 3, -3) if total + step >= 0]
            if not any(allows(knowledge, cells, value, truth) for value in others):
                told.append(f"{metric}: {total} is certain")
    return told


@pytest.mark.parametrize("batch", range(MANY // BATCH))
def test_random_tables_tell_nothing(batch) -> None:
    hidden = 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        case = random_case(seed)
        visible = []
        for table, names, keys, _, closed in case.shown():
            hidden += sum(int(closed[metric].sum()) for metric in table.metrics)
            visible.append(
                (table, names, keys, {metric: ~closed[metric] for metric in table.metrics})
            )
        assert case.plan.audit(visible) == [], seed
        assert attacks(case) == [], seed
    assert hidden > BATCH
