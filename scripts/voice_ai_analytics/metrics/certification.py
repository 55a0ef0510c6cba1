"""Which certified build the metrics describe, and whether the tables are still that build's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError


@dataclass(frozen=True)
class CertifiedBuild:
    """A row of ``voice_ai_builds``: dbt's invocation, and when its tests had passed, UTC."""

    build_id: str
    certified_at: datetime

    def __str__(self) -> str:
        """Return the build as text for a message."""
        return f"{self.build_id}, certified at {self.certified_at:%Y-%m-%d %H:%M:%S} UTC"


class NotCertified(UserError):
    """Certified tables were replaced, and what is in them now hasn't passed all tests."""


def newest_build(project: DbtProject) -> str:
    """Return SQL for the newest certified build, for `certified_build`."""
    return f"select * from {project.relation('voice_ai_builds')} order by certified_at desc limit 1"


def certified_build(rows: list[dict]) -> CertifiedBuild:
    """Return the build that the certified tables come from.

    A build marks its predecessor as replaced in the transaction that replaces the fact, and adds a
    row of its own when all tests have passed. In between, and after a failure in between, the
    tables hold rows that nobody has certified.

    Parameters
    ----------
    rows : list of dict
        The result of `newest_build`.

    Raises
    ------
    NotCertified
        If the tables were replaced since, or nothing was ever certified.
    """
    if not rows:
        raise NotCertified("no build is certified yet; run dbt build")
    build = CertifiedBuild(rows[0]["build_id"], rows[0]["certified_at"])
    # Absent until the first build by this version of the package.
    if replaced_at := rows[0].get("replaced_at"):
        raise NotCertified(
            f"certified tables were replaced at {replaced_at:%Y-%m-%d %H:%M:%S} UTC by a build that"
            f" isn't certified (the last one that is: {build}); run dbt build until it passes"
        )
    return build
