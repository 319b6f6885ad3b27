"""A server that speaks Stripe's API: ``localstripe``, with a front of ours for what it lacks. See ``README.md``."""
