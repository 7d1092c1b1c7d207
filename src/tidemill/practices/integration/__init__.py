"""Continuous integration: gates for code, data and models, each with what it measured."""
