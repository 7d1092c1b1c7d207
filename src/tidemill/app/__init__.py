"""The composition root and every entry point; alone chooses adapters."""
