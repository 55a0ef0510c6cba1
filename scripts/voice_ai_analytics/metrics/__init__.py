"""Certified metrics: compiled, queried, exported, deployed."""
