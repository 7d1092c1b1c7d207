"""Continuous delivery of models: package, roll out, roll back."""
