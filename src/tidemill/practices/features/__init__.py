"""Feature views: one definition for training and serving, point in time on both sides."""
