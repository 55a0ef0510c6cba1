"""The dashboards as one zip that Superset imports.

The files beside this one are in Superset's own format, but for two things that are put in here:
``${NAME}`` becomes the environment variable of that name, and a metric's label and description
are those of dbt.
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
CERTIFICATION = {"certification": {"certified_by": "VoiceAI Analytics"}}


def bundle(environment: Mapping[str, str], manifest: Mapping) -> bytes:
    """Make the zip.

    Parameters
    ----------
    environment : mapping of str to str
        Has the names in ``databases/`` and ``datasets/``.
    manifest : mapping
        dbt's ``manifest.json``.

    Returns
    -------
    bytes
        With passwords where the connection addresses have some: keep it as carefully.

    Raises
    ------
    KeyError
        With the name of a variable that is not in the environment.
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
            text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
            archive.writestr(f"voice_ai/{path.relative_to(HERE)}", text)
    return made.getvalue()


def _expanded(value, environment: Mapping[str, str]):
    """Put in the environment's values, wherever a whole text is ``${NAME}``."""
    if isinstance(value, dict):
        return {key: _expanded(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, environment) for item in value]
    if isinstance(value, str) and (match := re.fullmatch(r"\$\{(\w+)\}", value)):
        return environment[match[1]]
    return value
