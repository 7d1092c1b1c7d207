"""Values and rules: artifact, run, ref, check, actor, policy, operation. No input, no output."""
