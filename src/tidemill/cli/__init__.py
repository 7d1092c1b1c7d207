"""The command line: commands derived from operations, and how their answers are told."""
