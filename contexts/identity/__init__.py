"""Identity: who is who.

Owns accounts and their credentials, sessions and tokens, staff roles, postal addresses and saved cards.
Publishes ``UserRegistered`` and ``UserEmailVerified``. Calls no other context.

Authentication itself is django-allauth (headless): ``views/accounts.py`` holds its hooks, ``views/tokens.py`` its token
strategy. Every other context trusts the signed access token and asks this one only for data.
"""
