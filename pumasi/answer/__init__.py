"""Executes a query on a release and hands the answer to the airlock (hospital side)."""
