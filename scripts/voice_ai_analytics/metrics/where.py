"""Filters that users write: parsed, restricted to known dimensions, and written anew."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.names import nearest

COMPARISONS = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.Like: "like",
}
CONNECTORS = {exp.And: "and", exp.Or: "or"}
INSTANTS = {
    exp.DataType.Type.DATE: "date",
    exp.DataType.Type.TIMESTAMP: "timestamp",
    exp.DataType.Type.DATETIME: "timestamp",
}
# How MetricFlow's YAML names a dimension in a filter, which people copy.
TEMPLATE = re.compile(
    r"""\{\{\s*(?:Time)?Dimension\(\s*'(\w+)'\s*(?:,\s*'(\w+)'\s*)?\)\s*\}\}""", re.IGNORECASE
)
ALLOWED = "compare dimensions with values, joined by and, or, not"
MOST_CHARACTERS, MOST_DEPTH = 10_000, 50


def metricflow_filter(clause: str, dimensions: Mapping[str, str]) -> str:
    """Return a filter for MetricFlow that says what an untrusted where-clause says.

    The text itself is never passed on: it is parsed, and what is allowed is written anew. Allowed
    are comparisons (``in``, ``between``, ``like`` and ``is null`` included) of known dimensions
    with strings, numbers, booleans, dates and timestamps, joined by ``and``, ``or`` and ``not``.

    Parameters
    ----------
    clause : str
        Such as ``voice_ai_session__channel = 'voice'``, or the same in MetricFlow's notation,
        ``{{ Dimension('voice_ai_session__channel') }} = 'voice'``.
    dimensions : mapping of str to str
        The name of each known dimension in MetricFlow's filters.

    Returns
    -------
    str
        A filter for `MetricCompiler.compile`.

    Raises
    ------
    UserError
        If the text isn't such a clause; offers the nearest names for an unknown dimension.
    """
    if len(clause) > MOST_CHARACTERS:
        raise UserError(f"where: longer than {MOST_CHARACTERS:,} characters")
    plain = TEMPLATE.sub(lambda found: "__".join(filter(None, found.groups())), clause)
    try:
        parsed = sqlglot.parse_one(plain, dialect="postgres", into=exp.Condition)
    except (SqlglotError, RecursionError) as error:
        raise UserError(f"where: {_short(clause)} isn't a where-clause; {ALLOWED}") from error
    return _condition(parsed, dimensions, 0)


def _condition(node: exp.Expression, dimensions: Mapping[str, str], depth: int) -> str:
    if depth > MOST_DEPTH:
        raise UserError(f"where: nested deeper than {MOST_DEPTH}")

    def inner(child: exp.Expression) -> str:
        return _condition(child, dimensions, depth + 1)

    def value(child: exp.Expression) -> str:
        return _value(child, dimensions)

    kind = type(node)
    _check_arguments(node)
    if node.args.get("negate"):
        return f"not ({_comparison(node, value)})"
    if kind is exp.Paren:
        return f"({inner(node.this)})"
    if kind is exp.Not:
        return f"not ({inner(node.this)})"
    if kind in CONNECTORS:
        # A chain of a thousand `or` counts as one level, and takes one of the stack's.
        parts = [f"({inner(child)})" for child in node.flatten(unnest=False)]
        return f" {CONNECTORS[kind]} ".join(parts)
    if kind is exp.Column:
        return value(node)
    return _comparison(node, value)


def _comparison(node: exp.Expression, value: Callable[[exp.Expression], str]) -> str:
    kind, this = type(node), node.this
    if kind in COMPARISONS:
        return f"{value(this)} {COMPARISONS[kind]} {value(node.expression)}"
    if kind is exp.Is and isinstance(node.expression, exp.Null | exp.Boolean):
        return f"{value(this)} is {value(node.expression)}"
    if kind is exp.In and node.expressions:
        return f"{value(this)} in ({', '.join(map(value, node.expressions))})"
    if kind is exp.Between:
        low, high = value(node.args["low"]), value(node.args["high"])
        return f"{value(this)} between {low} and {high}"
    raise _not_allowed(node)


def _check_arguments(node: exp.Expression) -> None:
    """Refuse what the writer would drop: an escape, a symmetric between, any future argument."""
    known = {"this", "expression", "expressions", "low", "high", "negate", "is_string"}
    if any(value for name, value in node.args.items() if name not in known):
        raise _not_allowed(node)


def _value(node: exp.Expression, dimensions: Mapping[str, str]) -> str:
    kind = type(node)
    if kind is exp.Column and not node.table:
        return _dimension(node.name, dimensions)
    if kind is exp.Literal and node.is_string:
        return _text(node.this)
    unsigned = node.this if kind is exp.Neg else node
    if type(unsigned) is exp.Literal and not unsigned.is_string:
        return _number(node)
    if kind is exp.Boolean:
        return "true" if node.this else "false"
    if kind is exp.Null:
        return "null"
    if (
        kind is exp.Cast
        and type(node.this) is exp.Literal
        and node.to.this in INSTANTS
        and not node.to.expressions
    ):
        return f"cast({_text(node.this.this)} as {INSTANTS[node.to.this]})"
    raise _not_allowed(node)


def _dimension(name: str, dimensions: Mapping[str, str]) -> str:
    known = {one.lower(): template for one, template in dimensions.items()}
    if template := known.get(name.lower()):
        return template
    raise UserError(f"where: no dimension {name} for these metrics{nearest(name, dimensions)}")


def _text(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise UserError(f"where: {_short(value)} contains a character that databases can't store")
    # MetricFlow reads filters as templates and would take a brace in a string for its own.
    if "{" in value or "}" in value:
        raise UserError(f"where: {_short(value)} contains a brace, which filters can't")
    return "'" + value.replace("'", "''") + "'"


def _number(node: exp.Expression) -> str:
    number = node.to_py()
    if not math.isfinite(number):
        raise UserError(f"where: {_short(node.sql())} isn't a finite number")
    return str(number)


def _not_allowed(node: exp.Expression) -> UserError:
    return UserError(f"where: {_short(node.sql(dialect='postgres'))} is not allowed; {ALLOWED}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")
