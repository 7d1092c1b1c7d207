"""The one graph: open, record, seal, move refs, query, diff, export, collect."""
