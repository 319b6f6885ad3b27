"""Buys the real orders of the Olist files through the REST API of a fresh installation, and audits the books."""
