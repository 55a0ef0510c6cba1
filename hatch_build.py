"""What a wheel carries besides the command: the dbt package, the demo and the stand-ins."""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARTS = (
    *("dbt_project.yml", "packages.yml", "models", "macros", "seeds", "snapshots", "tests"),
    *("semantic_models", "analyses", "demo", "offline_packages"),
)


class CustomBuildHook(BuildHookInterface):
    """Adds the parts of the repository that ``voice-ai demo`` and ``voice-ai deps`` need."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Add them to an ordinary wheel; an editable one finds them in the repository."""
        if version == "editable":
            return
        root = Path(self.root)
        build_data["force_include"] |= {
            str(root / part): f"voice_ai_analytics/repository/{part}" for part in PARTS
        }
