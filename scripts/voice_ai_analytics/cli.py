"""The voice-ai command."""

from __future__ import annotations

import errno
import sys

import typer
from rich.console import Console

from voice_ai_analytics.commands.analyses import (
    compare_asr,
    evaluate_asr,
    fit_abandonment,
    report,
    segment,
)
from voice_ai_analytics.commands.data import demo, deps, init, load, simulate
from voice_ai_analytics.commands.metrics import (
    export_metrics,
    export_semantics,
    lightdash_manifest,
    mcp,
    query,
    serve,
)
from voice_ai_analytics.commands.warehouse import create_roles, explain, forget, reconcile
from voice_ai_analytics.ending import leave_when_told
from voice_ai_analytics.errors import UserError

app = typer.Typer(
    help="What SQL can't do for conversational-AI session data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# Each command with an example, in the order of the help.
COMMANDS = {
    demo: "demo --output output",
    simulate: "simulate --output raw --sessions 5000",
    init: "init retell",
    load: "load retell calls/",
    deps: "deps --project-dir .",
    query: "query --metrics voice_ai_completion_rate --group-by voice_ai_session__channel",
    fit_abandonment: "fit-abandonment --output abandonment_model.json",
    evaluate_asr: "evaluate-asr --input references.csv --normalizer basic",
    compare_asr: "compare-asr --before asr-1 --after asr-2",
    segment: "segment --json segments.json",
    report: "report --model abandonment_model.json --output report.html",
    export_metrics: "export-metrics --saved-query voice_ai_accessibility",
    serve: "serve --target certified_reader --port 8000",
    mcp: "mcp --target certified_reader",
    create_roles: "create-roles --target admin",
    export_semantics: "export-semantics --output voice_ai_semantics.yml",
    lightdash_manifest: "lightdash-manifest --target postgres",
    explain: "explain --project-dir .",
    reconcile: "reconcile retell --expected console.csv",
    forget: "forget --platform ivr --session 8f14e45f",
}
for command, example in COMMANDS.items():
    app.command(example.split()[0], epilog=f"Example: voice-ai {example}")(command)


def main() -> None:
    """Run the command. A user's mistake becomes one line and an exit code, never a traceback."""
    leave_when_told()
    try:
        app()
    except UserError as error:
        _refuse(str(error), error.exit_code)
    except OSError as error:
        # Wherever a name is given: no file can have it.
        if error.errno != errno.ENAMETOOLONG:
            raise
        _refuse(f"{error.filename}: {error.strerror}; name another one", UserError("").exit_code)


def _refuse(told: str, exit_code: int) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"voice-ai: {told}", markup=False)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
