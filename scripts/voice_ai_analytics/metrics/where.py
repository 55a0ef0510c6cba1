"""Where-clauses of strangers: parsed, restricted to known dimensions, and written anew."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from voice_ai_analytics.errors import UserError

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
# MetricFlow's own way to name a dimension in a filter, as people copy it from its YAML.
TEMPLATE = re.compile(
    r"""\{\{\s*(?:Time)?Dimension\(\s*'(\w+)'\s*(?:,\s*'(\w+)'\s*)?\)\s*\}\}""", re.IGNORECASE
)
ALLOWED = "compare dimensions with values, joined by and, or, not"
MOST_CHARACTERS, MOST_DEPTH = 10_000, 50


def metricflow_filter(clause: str, dimensions: Mapping[str, str]) -> str:
    """Turn a where-clause of anyone into a filter for MetricFlow.

    Nothing of the text goes on: it is parsed, and what is allowed is written anew. Allowed are
    comparisons (also ``in``, ``between``, ``like`` and ``is null``) of known dimensions with
    texts, numbers, truth values, dates and timestamps, joined by ``and``, ``or`` and ``not``.

    Parameters
    ----------
    clause : str
        Such as ``voice_ai_session__channel = 'voice'``, or the same in MetricFlow's notation,
        ``{{ Dimension('voice_ai_session__channel') }} = 'voice'``.
    dimensions : mapping of str to str
        How MetricFlow's filters name each known dimension.

    Returns
    -------
    str
        A filter as `MetricClient.compile` takes it.

    Raises
    ------
    UserError
        Where the text is no such clause; names the nearest dimension for one that is not known.
    """
    if len(clause) > MOST_CHARACTERS:
        raise UserError(f"where: longer than {MOST_CHARACTERS:,} characters")
    plain = TEMPLATE.sub(lambda found: "__".join(filter(None, found.groups())), clause)
    try:
        parsed = sqlglot.parse_one(plain, dialect="postgres", into=exp.Condition)
    except (SqlglotError, RecursionError) as error:
        raise UserError(f"where: {_short(clause)} is no where-clause; {ALLOWED}") from error
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
        # A chain of a thousand `or` is one level for whoever reads it, and for the stack.
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
    """Refuse what would be lost in writing: an escape, a symmetric between, and what is to come."""
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
        raise UserError(f"where: {_short(value)} holds a character that no text in a database can")
    # MetricFlow reads filters as templates; a brace in a text would be read as one of theirs.
    if "{" in value or "}" in value:
        raise UserError(f"where: {_short(value)} holds a brace, which no filter can")
    return "'" + value.replace("'", "''") + "'"


def _number(node: exp.Expression) -> str:
    number = node.to_py()
    if not math.isfinite(number):
        raise UserError(f"where: {_short(node.sql())} is no finite number")
    return str(number)


def _not_allowed(node: exp.Expression) -> UserError:
    return UserError(f"where: {_short(node.sql(dialect='postgres'))} is not allowed; {ALLOWED}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")


def nearest(name: str, known) -> str:
    """Give the end of a sentence that offers the nearest names, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {', '.join(near)}?" if near else ""
