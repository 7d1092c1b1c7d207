"""A module that another one imports."""

SCALE = 2.0
