"""Races against a running server: many clients at the same moment, and an audit of every book afterwards."""
