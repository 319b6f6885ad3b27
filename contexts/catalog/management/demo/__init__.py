"""The catalog of a shop that does not exist, for demonstrations and for looking at."""
