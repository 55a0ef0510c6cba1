"""Simulated voice-assistant logs whose truth is known."""

from voice_ai_analytics.simulate.run import simulate

__all__ = ["simulate"]
