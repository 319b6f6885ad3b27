"""Accounts: registration, the confirmed e-mail, the password, the profile."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError

from contexts.identity.events import UserEmailVerified, UserRegistered
from contexts.identity.models import Session, User
from ecommerce.errors import Conflict, NotFound
from ecommerce.unit_of_work import unit_of_work


class EmailTaken(Conflict):
    """Another account has this e-mail."""

    code = "email_taken"


class UserNotFound(NotFound):
    code = "user_not_found"


def register_user(
    *,
    email: str,
    password: str,
    now: datetime,
    full_name: str = "",
    phone: str = "",
    locale: str = "pt-BR",
    newsletter: bool = False,
    marketing: bool = False,
) -> User:
    """Open an account whose e-mail is not confirmed yet, and announce it.

    The password is hashed before the transaction begins: that takes longer than everything else.

    Raises:
        EmailTaken: an account has this e-mail, in any spelling of its case.
    """
    user = User(
        email=email.strip().lower(),
        password=make_password(password),
        full_name=full_name,
        phone=phone,
        locale=locale,
        newsletter_since=now if newsletter else None,
        marketing_since=now if marketing else None,
        created_at=now,
    )
    with _taken_email_refused(), unit_of_work("identity") as work:
        user.save(force_insert=True)
        address = EmailAddress.objects.create(user=user, email=user.email, primary=True)
        work.publish(UserRegistered(user_id=user.id, locale=user.locale), subject=user.id, version=user.version)
    EmailAddress.objects.fill_cache_for_user(user, [address])
    return user


def register_from_provider(*, user: User, save: Callable[[], object]) -> None:
    """Open an account for someone who came through a social login, and announce it.

    ``save`` inserts ``user``, the link to the provider and the e-mail addresses. An e-mail that the provider vouches
    for is confirmed from the start.

    Raises:
        EmailTaken: an account has this e-mail.
    """
    with _taken_email_refused(), unit_of_work("identity") as work:
        save()
        work.publish(UserRegistered(user_id=user.id, locale=user.locale), subject=user.id, version=user.version)
        if EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists():
            user.confirm_email()
            work.publish(UserEmailVerified(user_id=user.id), subject=user.id, version=user.version)


def confirm_email(*, user_id: UUID, confirm: Callable[[], bool]) -> bool:
    """Note that an account owns its e-mail, and announce it; tell whether it was so.

    ``confirm`` marks allauth's row, which makes it the account's e-mail, and may decline.

    Raises:
        EmailTaken: meanwhile another account has this e-mail.
        UserNotFound: the account is gone or closed.
    """
    with _taken_email_refused(), unit_of_work("identity") as work:
        user = lock_user(user_id)
        if not confirm():
            return False
        user.confirm_email()
        work.publish(UserEmailVerified(user_id=user.id), subject=user.id, version=user.version)
    return True


def change_password(*, user_id: UUID, password: str) -> None:
    """Replace a password, end every session of the account, and forget an e-mail that it was to be changed to: whoever
    knew the old password may have asked for that, and has the link.

    Raises:
        UserNotFound: the account is gone or closed.
    """
    with unit_of_work("identity"):
        lock_user(user_id).change_password(password)
        Session.objects.filter(user=user_id).delete()
        EmailAddress.objects.filter(user=user_id, primary=False, verified=False).delete()


def change_profile(*, user_id: UUID, changes: Mapping[str, Any], now: datetime) -> None:
    """Change the named parts of a customer's profile: see ``User.change_profile``.

    Raises:
        UserNotFound: the account is gone or closed.
    """
    with unit_of_work("identity"):
        lock_user(user_id).change_profile(changes, now=now)


def lock_user(user_id: UUID) -> User:
    """Return an open account with its row locked, inside the caller's unit of work: whatever an account owns changes
    under this lock.

    Raises:
        UserNotFound: the account is gone or closed.
    """
    user: User | None = User.objects.select_for_update().filter(pk=user_id, is_active=True).first()
    if user is None:
        raise UserNotFound("Conta não encontrada.")
    return user


@contextmanager
def _taken_email_refused() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "users_email_unique" in str(error) or "unique_verified_email" in str(error):
            raise EmailTaken("Já existe uma conta com este e-mail.") from error
        raise
