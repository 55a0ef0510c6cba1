"""Gaps between cohorts, and segments of sessions that hold."""
