"""Abandonment: the features associated with it, and the turns at which it happens."""
