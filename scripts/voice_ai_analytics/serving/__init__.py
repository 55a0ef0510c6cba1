"""Certified metrics for programs of others."""
