"""Hypothesis' own deadline is a wall clock: on a shared machine it would fail what is right."""

from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
