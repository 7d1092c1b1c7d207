"""Operational, model and business figures: predictions sealed, labels joined, reports made."""
