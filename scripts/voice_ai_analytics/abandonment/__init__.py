"""Abandonment: what goes with it, at which turn it comes, and what else ends a session."""
