"""Compute and environments as code; the project itself: init, config, status."""
