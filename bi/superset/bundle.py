"""Packs the dashboards into one zip that Superset can import.

The files next to this one are in Superset's own format. Packing fills in what they leave open: an
environment variable for each ``${NAME}``; the label and description of each metric from dbt, with
a badge that says it is certified; and one style sheet for all dashboards.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml

HERE = Path(__file__).parent
MARK = {"certification": {"certified_by": "VoiceAI Analytics", "details": "Defined in dbt."}}


def bundle(environment: Mapping[str, str], manifest: Mapping) -> bytes:
    """Return the zip.

    Parameters
    ----------
    environment : mapping of str to str
        A value for every ``${NAME}`` in ``databases/`` and ``datasets/``.
    manifest : mapping
        dbt's ``manifest.json``.

    Returns
    -------
    bytes
        Contains the passwords of the connection URLs, if they have any: keep it safe.

    Raises
    ------
    KeyError
        Names a variable that isn't in the environment.
    """
    metrics = {node["name"]: node for node in manifest["metrics"].values()}
    css = (HERE / "dashboards.css").read_text(encoding="utf-8")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(HERE.rglob("*.yaml")):
            content = _expanded(yaml.safe_load(path.read_text(encoding="utf-8")), environment)
            kind = path.parent.relative_to(HERE).name
            if kind == "dashboards":
                content["css"] = css
            if kind == "datasets":
                for metric in content["metrics"]:
                    if node := metrics.get(metric["metric_name"]):
                        metric["verbose_name"] = node["label"]
                        metric["description"] = node["description"]
                        metric["extra"] = MARK
            text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
            archive.writestr(f"voice_ai/{path.relative_to(HERE)}", text)
    return made.getvalue()


def _expanded(value, environment: Mapping[str, str]):
    """Return a value with every string that is exactly ``${NAME}`` filled in."""
    if isinstance(value, dict):
        return {key: _expanded(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, environment) for item in value]
    if isinstance(value, str) and (match := re.fullmatch(r"\$\{(\w+)\}", value)):
        return environment[match[1]]
    return value


def main() -> None:
    """Write the zip, to import into your own Superset."""
    if len(sys.argv) != 3:
        sys.exit("usage: bundle.py path/to/target/manifest.json path/of/the/new.zip")
    manifest, target = map(Path, sys.argv[1:])
    try:
        content = bundle(os.environ, json.loads(manifest.read_text(encoding="utf-8")))
    except KeyError as error:
        sys.exit(f"bundle.py: the environment has no {error.args[0]}, which these files need")
    except (OSError, ValueError) as error:
        sys.exit(f"bundle.py: {manifest}: isn't a dbt manifest ({error})")
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


if __name__ == "__main__":
    main()
