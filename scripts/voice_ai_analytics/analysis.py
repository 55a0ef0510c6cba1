"""What every analysis shares: what it may read, and what its result can do.

Every analysis is one folder with the same modules:

- ``frame.py`` reads its rows, in SQL.
- ``estimate.py`` has ``estimate(source, **options)``, which returns a `Result`.
- ``results.py`` holds that result, as JSON and as tables.
- ``words.py`` writes its verdict.
- ``terminal.py`` has ``render(result, console)``.

`pipeline.ANALYSES` registers it, in one line. What the HTML report shows of it is a module in
``report/sections``; an analysis never imports the report.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from voice_ai_analytics.dbt_project import DbtProject
    from voice_ai_analytics.warehouse import Transaction, Warehouse


class Result(Protocol):
    """What an analysis found.

    Results hold plain values. What couldn't be estimated is None, and the verdict says why.
    """

    @property
    def exit_code(self) -> int:
        """Return 0, or 3 where nothing could be estimated."""

    @property
    def verdict(self) -> str:
        """Return the finding in one sentence."""

    def to_json(self) -> dict:
        """Return the result as plain JSON values, with the verdict.

        Returns
        -------
        dict
            Strings, numbers, booleans, None, lists and dicts; no NaN.
        """

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the result as warehouse tables.

        Returns
        -------
        dict of str to pandas.DataFrame
            By table name, all starting with ``voice_ai_``. Empty where the warehouse should stay
            as it is.
        """


class Source(ExitStack):
    """What an analysis reads: certified tables, now or as they were known at a moment.

    Parameters
    ----------
    project : DbtProject or None
        Built; None where the analysis reads files only.
    warehouse : Warehouse or None
        The project's.
    sessions : str or None
        The quoted relation of certified sessions, or a subquery in parentheses with the sessions
        as they were known at a moment.

    Attributes
    ----------
    transaction : Transaction or None
        Where the tables of the result will be written; None until `begin` was called.
    """

    def __init__(
        self,
        project: DbtProject | None,
        warehouse: Warehouse | None,
        sessions: str | None = None,
    ) -> None:
        super().__init__()
        self.project = project
        self.warehouse = warehouse
        self.sessions = sessions
        self.transaction: Transaction | None = None

    @property
    def min_cohort_size(self) -> int:
        """Return the fewest users of a cohort that may be shown."""
        return self.project.min_cohort_size

    def relation(self, model: str) -> str | None:
        """Return the quoted name of one of the package's models.

        Parameters
        ----------
        model : str
            Such as ``fact_voice_ai_turns``.

        Returns
        -------
        str or None
            None where the project leaves the model out.
        """
        if f"model.voice_ai_analytics.{model}" not in self.project.manifest["nodes"]:
            return None
        return self.project.relation(model)

    @property
    def turns(self) -> str:
        """Return a subquery in parentheses with the certified turns.

        ``is_error`` is null on platforms that don't report errors; only the sessions know which.

        Raises
        ------
        UserError
            If the project leaves the model ``fact_voice_ai_turns`` out.
        """
        return f"""(
            select turns.session_key, turns.user_turn_number, turns.asr_confidence,
                turns.intent_confidence, turns.is_interruption,
                case when sessions.has_error is not null then turns.is_error end as is_error
            from {self.project.relation("fact_voice_ai_turns")} as turns
            inner join {self.project.relation("fact_voice_ai_sessions")} as sessions
                on turns.session_key = sessions.session_key
        )"""

    def begin(self) -> Transaction:
        """Begin the transaction that also writes the tables of the result.

        Only for an analysis that writes more than these tables: all of it is committed at the end
        of the run, or none.

        Returns
        -------
        Transaction
        """
        self.transaction = self.enter_context(self.warehouse.transaction())
        return self.transaction
