"""Governance: audit of the journal, policies, approvals, model cards."""
