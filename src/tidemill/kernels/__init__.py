"""Pure functions of arrays and tables, each with its source. No input, no output."""
