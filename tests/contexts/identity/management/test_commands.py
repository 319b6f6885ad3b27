"""Accounts from the command line."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import RequestFactory

from contexts.identity.events import UserRegistered
from contexts.identity.management.commands.load_demo_users import CUSTOMER, DEMO_PASSWORD, STAFF
from contexts.identity.models import User
from ecommerce.testing import published

pytestmark = pytest.mark.django_db(databases=["identity"])


def test_demo_accounts_are_made_once(settings: object, capsys: pytest.CaptureFixture[str]) -> None:
    settings.DEBUG = True  # type: ignore[attr-defined]
    for _ in range(2):
        call_command("load_demo_users")
    users = {user.email: user for user in User.objects.with_email_verified()}
    assert set(users) == {STAFF, CUSTOMER}
    assert all(user.email_verified and user.check_password(DEMO_PASSWORD) for user in users.values())
    assert (users[STAFF].is_superuser, users[CUSTOMER].is_staff) == (True, False)
    assert len(published("identity", UserRegistered)) == 1
    names = set(Group.objects.get(name="back-office").permissions.values_list("codename", flat=True))
    assert {"view_user", "view_address"} <= names
    assert "change_user" not in names
    assert DEMO_PASSWORD in capsys.readouterr().out


def test_the_public_password_is_refused_outside_debug() -> None:
    with pytest.raises(CommandError, match="--password"):
        call_command("load_demo_users")
    assert not User.objects.exists()


def test_a_given_password_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_demo_users", password="nobody-knows-this-1")
    assert User.objects.get(email=STAFF).check_password("nobody-knows-this-1")
    assert "nobody-knows-this-1" not in capsys.readouterr().out


def test_createsuperuser_works(monkeypatch: pytest.MonkeyPatch) -> None:
    # Django looks for unapplied migrations on the alias "default", which tests may not even mention.
    monkeypatch.setattr(createsuperuser.Command, "requires_migrations_checks", False)
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "nobody-knows-this-1")
    call_command("createsuperuser", email="Chefe@example.com", database="identity", interactive=False)
    user = authenticate(RequestFactory().get("/"), username="chefe@example.com", password="nobody-knows-this-1")
    assert isinstance(user, User)
    assert user.is_superuser
