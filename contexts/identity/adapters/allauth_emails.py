"""Keeps an account's own e-mail while it is being changed.

django-allauth takes any unconfirmed address of an account for the one that it is being changed to, and removes that
before it adds another. The account's own address is unconfirmed, too, until its link was opened: without it the account
would be left with none.
"""

from allauth.account.managers import EmailAddressManager
from allauth.account.models import EmailAddress

from contexts.identity.models import User


def bind_pending_email() -> None:
    """Make allauth look for the address that an account is being changed to among those that are not its own."""
    EmailAddressManager.get_new = _pending_email


def _pending_email(manager: EmailAddressManager, user: User) -> EmailAddress | None:
    return manager.filter(user_id=user.pk, primary=False, verified=False).order_by("pk").last()
