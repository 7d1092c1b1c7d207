"""Versions of data and models: tables in the store, the registry, model formats."""
