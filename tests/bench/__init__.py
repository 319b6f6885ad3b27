"""Speed, side by side with its floors, in one run: ``make bench``."""
