"""One folder a practice, a vertical slice each: model, operations, services, checks."""
