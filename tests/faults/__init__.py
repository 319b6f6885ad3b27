"""Faults: real processes are killed, stopped and cut off, and the databases say afterwards whether the promise held."""
