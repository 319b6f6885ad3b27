"""Keeps django-allauth's transactions on the database of identity.

allauth opens a few of its transactions without naming a database, and the ``default`` alias is empty on purpose. Each
such place is listed here and bound to the alias at start-up; ``tests/contexts/identity/test_allauth_transactions.py``
reads the installed allauth and fails when it has a place that is not listed.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

from allauth.account import managers
from allauth.mfa.recovery_codes.internal import auth as recovery_codes
from allauth.mfa.recovery_codes.internal import flows as recovery_code_flows
from allauth.mfa.totp.internal import flows as totp_flows
from django.db import transaction

MODULES: tuple[Any, ...] = (managers, totp_flows, recovery_code_flows)
"""They call ``transaction.atomic()`` or ``transaction.on_commit()`` inside functions."""

DECORATED: tuple[tuple[Any, str], ...] = (
    (totp_flows, "activate_totp"),
    (recovery_code_flows, "generate_recovery_codes"),
    (recovery_codes.RecoveryCodes, "validate_code"),
)
"""Functions and methods under ``@transaction.atomic``."""


def bind_transactions(*, alias: str) -> None:
    """Make every listed place use ``alias``. Idempotent."""
    bound = SimpleNamespace(
        atomic=partial(transaction.atomic, using=alias), on_commit=partial(transaction.on_commit, using=alias)
    )
    for module in MODULES:
        module.transaction = bound
    for owner, name in DECORATED:
        function = getattr(owner, name).__wrapped__
        setattr(owner, name, transaction.atomic(using=alias)(function))
