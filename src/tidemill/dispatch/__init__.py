"""The registry of operations, and the one place that authorises a call."""
