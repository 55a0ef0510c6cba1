"""Certified metrics, served to other programs."""
