"""Installing the dbt packages of a project: from dbt Hub, or else this repository's stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from voice_ai_analytics.dbt_project import DBT, REPOSITORY
from voice_ai_analytics.errors import UserError

STAND_INS = {
    "dbt-labs/dbt_utils": REPOSITORY / "offline_packages" / "dbt_utils",
    "metaplane/dbt_expectations": REPOSITORY / "offline_packages" / "dbt_expectations",
}


def install_packages(project: Path) -> str:
    """Install what ``packages.yml`` names, from dbt Hub or else from the stand-ins.

    Parameters
    ----------
    project : Path
        A consumer's dbt project.

    Returns
    -------
    str
        One line about what was installed, and from where.

    Raises
    ------
    UserError
        If the hub can't be reached and a package has no stand-in.
    """
    if _hub_answers():
        result = subprocess.run(
            [*DBT, "deps"],
            cwd=project,
            env={**os.environ, "DO_NOT_TRACK": "1"},
            capture_output=True,
            text=True,
        )
        if result.returncode == 0:
            return "dbt packages installed from dbt Hub."
    found = _local_packages(project)
    target = project / "dbt_packages"
    target.mkdir(exist_ok=True)
    for name, source in found.items():
        link = target / name
        if link.is_symlink() or link.is_file():
            link.unlink()
        elif link.exists():
            shutil.rmtree(link)
        link.symlink_to(source, target_is_directory=True)
    return (
        "dbt Hub cannot be reached: using the stand-ins in offline_packages/ for "
        f"{', '.join(name for name in found if name != 'voice_ai_analytics')}."
    )


def _hub_answers() -> bool:
    """Return whether the hub answers; dbt deps itself takes up to minutes to give up."""
    import requests
    from dbt.clients.registry import DEFAULT_REGISTRY_BASE_URL

    base = os.environ.get("DBT_PACKAGE_HUB_URL", DEFAULT_REGISTRY_BASE_URL)
    try:
        requests.head(f"{base.rstrip('/')}/api/v1/index.json", timeout=5).raise_for_status()
    except requests.RequestException:
        return False
    return True


def _local_packages(project: Path) -> dict[str, Path]:
    """Return the directory of every package, local packages' own included, by dbt project name."""
    import yaml

    listed = project / "packages.yml"
    if not listed.is_file():
        return {}
    found: dict[str, Path] = {}
    for entry in (yaml.safe_load(listed.read_text(encoding="utf-8")) or {}).get("packages", []):
        if "local" in entry:
            directory = (project / entry["local"]).resolve()
        elif entry.get("package") in STAND_INS:
            directory = STAND_INS[entry["package"]]
        else:
            named = entry.get("package") or entry.get("git") or entry
            raise UserError(f"{listed}: dbt Hub cannot be reached and {named} has no stand-in")
        if not (directory / "dbt_project.yml").is_file():
            raise UserError(f"{listed}: {directory} holds no dbt_project.yml")
        name = yaml.safe_load((directory / "dbt_project.yml").read_text(encoding="utf-8"))["name"]
        found = {**_local_packages(directory), **found, name: directory}
    return found
