"""What exported tables hide, in the terms of a dashboard's question."""

from __future__ import annotations

from consumer import Consumer

SCHEMA = "demo_voice_ai"


def hidden_rows(
    deployment: Consumer, table: str, dimensions: list[str], values: dict[str, str]
) -> list[tuple[dict, list[str]]]:
    """Return the groups in which a table hides numbers, and the names of those numbers.

    Parameters
    ----------
    deployment : Consumer
        Whose tables were exported.
    table : str
        In the certified schema.
    dimensions : list of str
        By which a question groups; the table's other dimensions are totals.
    values : dict of str to str
        A question's filters, by the short name of a dimension.
    """
    columns = deployment.rows(
        "select column_name from information_schema.columns"
        f" where table_schema = '{SCHEMA}' and table_name = '{table}'"
        " and column_name like 'voice_ai_%\\_\\_%'"
    )
    conditions = ["suppressed_metrics is not null"]
    for (column,) in columns:
        value = values.get(column.partition("__")[2], "(all)")
        operator = "is distinct from" if column in dimensions else "="
        value = "(all)" if column in dimensions else value
        conditions.append(f"cast({column} as text) {operator} '{value}'")
    rows = deployment.rows(
        f"select {', '.join([*dimensions, 'suppressed_metrics'])} from {SCHEMA}.{table}"
        f" where {' and '.join(conditions)}"
    )
    return [
        (dict(zip(dimensions, row, strict=False)), row[-1].split(", ")) for row in rows if row[-1]
    ]
