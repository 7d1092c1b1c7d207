"""Collaboration: teams, owners, roles, comments."""
