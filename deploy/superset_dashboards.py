"""Create or update the dashboards in the Superset of docker-compose.yml."""

import os
import sys
from pathlib import Path

from voice_ai_analytics.dbt_project import REPOSITORY, DbtProject
from voice_ai_analytics.errors import UserError

sys.path.insert(0, str(REPOSITORY / "bi" / "superset"))

from bundle import bundle
from start import Superset

try:
    project = DbtProject(Path.cwd())
    schema = project.node("fact_voice_ai_sessions")["schema"]
    dashboards = bundle({**os.environ, "VOICE_AI_CERTIFIED_SCHEMA": schema}, project.manifest)
    server = Superset(os.environ["SUPERSET_URL"], os.environ["SUPERSET_ADMIN_PASSWORD"], None)
    server.import_bundle(dashboards)
except UserError as error:
    sys.exit(f"superset_dashboards: {error}")
