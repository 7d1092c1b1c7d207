"""Continuous training: triggers, their decisions, champion and challenger."""
