"""The cart as a fold over its events: pure rules, no framework, no clock, no database."""
