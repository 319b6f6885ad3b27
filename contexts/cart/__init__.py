"""Carts: what a customer means to buy, event by event, and what is done about those left alone.

Owns ``cart_events`` (the truth), ``carts`` (their projection), abandoned carts and reminders.
Publishes ``cart.abandoned.v1``. Calls catalog (variants) and promotion (quotes). Listens to prices that moved, coupons
that ran out and orders that were paid.
"""
