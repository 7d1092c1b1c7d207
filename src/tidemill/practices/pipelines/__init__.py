"""Pipelines: steps that are memoized by content, planned, scheduled and recorded."""
