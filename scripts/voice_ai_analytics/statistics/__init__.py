"""Estimators that know nothing about sessions."""
