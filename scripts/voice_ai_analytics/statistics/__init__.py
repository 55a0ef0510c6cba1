"""Estimators that know nothing of sessions."""
