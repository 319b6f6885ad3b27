"""Reads of catalog. SQL is written out where one statement answers what the ORM would ask in several."""
