"""PostgreSQL: the record of a team, on a server of its own."""
