"""Certified metrics for language models: the service's operations as MCP tools over stdio."""

from __future__ import annotations

from datetime import date

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.query import MetricQuery, plain
from voice_ai_analytics.serving.service import MetricService

INSTRUCTIONS = """\
Certified metrics of conversational-AI sessions. Find metrics with list_metrics, what they can be
grouped by with list_dimensions, then ask with query_metrics. Do not compute rates from rates: ask
for the rate, grouped as you need it. A null means not known, not zero.
"""
UNSUPPRESSED = "Small groups are not suppressed: do not single out people.\n"
SUPPRESSED = """\
Groups of fewer than {} users are hidden, and so are groups that differ by fewer users from one that
was told before: is_suppressed is true and the numbers are null. Don't try to work them out.
"""


def create_server(service: MetricService) -> MCPServer:
    """Return the MCP server.

    Parameters
    ----------
    service : MetricService
        Answers the questions.

    Returns
    -------
    MCPServer
        With five tools; ``run("stdio")`` serves them.
    """
    rule = UNSUPPRESSED
    if service.suppression:
        rule = SUPPRESSED.format(service.suppression.minimum)
    server = MCPServer("voice-ai", instructions=INSTRUCTIONS + rule, log_level="WARNING")

    @server.tool()
    def list_metrics() -> list[dict]:
        """List the metrics with their descriptions."""
        return _told(service.metrics)

    @server.tool()
    def list_dimensions(metrics: list[str] | None = None) -> list[dict]:
        """List what metrics can be grouped and filtered by: all of those given, or any."""
        return _told(service.dimensions, tuple(metrics or ()))

    @server.tool()
    def dimension_values(dimension: str, metrics: list[str]) -> list:
        """List the values of a dimension among what metrics count, null last."""
        return _told(service.dimension_values, dimension, tuple(metrics))

    @server.tool()
    def query_metrics(
        metrics: list[str],
        group_by: list[str] | None = None,
        where: list[str] | None = None,
        order_by: list[str] | None = None,
        limit: int | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> list[dict]:
        """Answer a question; one row per group.

        A where-clause compares dimensions with values: voice_ai_session__channel = 'voice'. A
        leading - in order_by reverses. start and end are days of metric_time, UTC.
        """
        asked = (metrics, group_by, where, order_by, limit, start, end)
        return _told(lambda: plain(service.query(_question(*asked))))

    @server.tool()
    def explain_metrics(
        metrics: list[str],
        group_by: list[str] | None = None,
        where: list[str] | None = None,
        order_by: list[str] | None = None,
        limit: int | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> str:
        """Return the SQL that query_metrics would run."""
        asked = (metrics, group_by, where, order_by, limit, start, end)
        return _told(lambda: service.explain(_question(*asked)))

    return server


def _question(metrics, group_by, where, order_by, limit, start, end) -> MetricQuery:
    return MetricQuery(
        metrics=tuple(metrics),
        group_by=tuple(group_by or ()),
        where=tuple(where or ()),
        order_by=tuple(order_by or ()),
        limit=limit,
        start=start,
        end=end,
    )


def _told(answer, *arguments):
    """Return an answer, or tell the model about a user's mistake in one line."""
    try:
        return answer(*arguments)
    except (UserError, ValueError) as error:
        raise ToolError(" ".join(str(error).split())) from error
