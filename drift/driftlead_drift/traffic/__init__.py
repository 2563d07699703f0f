"""Rows of traffic as counts: from the prediction log in Postgres, and from files."""
