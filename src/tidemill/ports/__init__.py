"""The seams: each a small Protocol with its rules, and one conformance suite in `tests/ports/`."""
