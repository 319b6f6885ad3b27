"""The back office of identity."""

import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.mail import EmailMessage
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contexts.identity.events import UserEmailVerified, UserRegistered
from contexts.identity.models import Session, User
from ecommerce.testing import published
from tests.contexts.identity.factories import PASSWORD, AddressFactory, SavedCardFactory, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def boss(client: Client) -> User:
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def colleague(client: Client, *permissions: str) -> User:
    role = Group.objects.create(name="atendimento")
    role.permissions.add(*Permission.objects.filter(content_type__app_label="identity", codename__in=permissions))
    user = UserFactory(is_staff=True, groups=[role])
    client.force_login(user)
    return user


def populate(count: int) -> None:
    for _ in range(count):
        user = UserFactory(groups=[Group.objects.get_or_create(name="vip")[0]])
        AddressFactory(user=user)
        SavedCardFactory(user=user)
        Authenticator.objects.create(user=user, type="totp", data={})
        Session.objects.create(session_key=f"key-{user.pk}", session_data="", expire_date=user.created_at, user=user)


@pytest.mark.parametrize(
    "path",
    [
        "identity/user",
        "identity/address",
        "identity/savedcard",
        "identity/session",
        "account/emailaddress",
        "mfa/authenticator",
        "auth/group",
    ],
)
def test_a_list_costs_the_same_however_long_it_is(client: Client, boss: User, path: str) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connections["identity"]) as queries:
            assert client.get(f"/admin/{path}/").status_code == 200
        return len(queries)

    populate(2)
    cost()
    few = cost()
    populate(10)
    assert cost() == few
    assert few <= 12


def test_documents_are_masked_and_tokens_hidden(client: Client, boss: User) -> None:
    ana = UserFactory(tax_id="52998224725")
    card = SavedCardFactory(user=ana, token="tok_secret")
    page = client.get(f"/admin/identity/user/{ana.pk}/change/").content.decode()
    assert "***.982.247-**" in page
    assert "52998224725" not in page
    for path in ("", f"{card.pk}/change/"):
        answer = client.get(f"/admin/identity/savedcard/{path}")
        assert answer.status_code == 200
        assert "tok_secret" not in answer.content.decode()


def test_a_new_account_is_announced_and_has_no_password(client: Client, boss: User) -> None:
    body = {"email": "Novo@example.com", "full_name": "Novo", "locale": "pt-BR", "is_staff": "on", "groups": []}
    assert client.post("/admin/identity/user/add/", body).status_code == 302
    user = User.objects.get(email="novo@example.com")
    assert (user.is_staff, user.has_usable_password()) == (True, False)
    assert EmailAddress.objects.get(user=user).primary
    assert published("identity", UserRegistered) == [UserRegistered(user_id=user.id, locale="pt-BR")]


def act(client: Client, path: str, action: str, *rows: Any, **fields: str) -> Any:
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows], **fields}
    return client.post(f"/admin/{path}/", body, follow=True)


def session_of(user: User) -> Session:
    key = f"{user.pk.hex}secret"
    return Session.objects.create(session_key=key, session_data="", expire_date=user.created_at, user=user)


def change(client: Client, user: User, **fields: Any) -> int:
    body = {"full_name": user.full_name, "phone": user.phone, "locale": user.locale, **fields}
    return client.post(f"/admin/identity/user/{user.pk}/change/", body).status_code


def test_a_closed_account_loses_its_sessions(client: Client, boss: User) -> None:
    ana = UserFactory()
    Session.objects.create(session_key="k", session_data="", expire_date=ana.created_at, user=ana)
    assert change(client, ana, full_name="Ana S.") == 302
    ana.refresh_from_db()
    assert (ana.full_name, ana.is_active, ana.version) == ("Ana S.", False, 2)
    assert not ana.sessions.exists()


def test_a_colleague_cannot_raise_anybody(client: Client) -> None:
    me = colleague(client, "change_user", "view_user")
    ana = UserFactory()
    for user in (ana, me):
        change(client, user, is_active="on", is_staff="on", is_superuser="on", user_permissions=["1"])
        user.refresh_from_db()
        assert not user.is_superuser
        assert not user.user_permissions.exists()
    assert not ana.is_staff


def test_a_colleague_cannot_touch_a_superuser(client: Client, mailoutbox: list[EmailMessage]) -> None:
    colleague(client, "change_user", "view_user")
    boss = UserFactory(is_staff=True, is_superuser=True, full_name="Chefe")
    session_of(boss)
    assert change(client, boss, full_name="Outro") == 403
    for action in ("end_sessions", "send_link"):
        assert act(client, "identity/user", action, boss).status_code == 200
    boss.refresh_from_db()
    assert boss.full_name == "Chefe"
    assert boss.sessions.count() == 1
    assert not mailoutbox


def test_a_colleague_cannot_take_a_superusers_session_or_second_factor_away(client: Client) -> None:
    me = colleague(client, "view_session", "delete_session")
    me.groups.get().permissions.add(*Permission.objects.filter(content_type__app_label="mfa"))
    boss, ana = UserFactory(is_staff=True, is_superuser=True), UserFactory()
    kept = [session_of(boss), Authenticator.objects.create(user=boss, type="totp", data={})]
    gone = [session_of(ana), Authenticator.objects.create(user=ana, type="totp", data={})]
    for row in (*kept, *gone):
        path = f"{row._meta.app_label}/{row._meta.model_name}"
        client.post(f"/admin/{path}/{row.pk}/delete/", {"post": "yes"})
        act(client, path, "delete_selected", row, post="yes")
    assert all(type(row)._default_manager.filter(pk=row.pk).exists() for row in kept)
    assert not any(type(row)._default_manager.filter(pk=row.pk).exists() for row in gone)


def test_the_key_of_a_session_is_shown_to_nobody(client: Client, boss: User) -> None:
    """It is what the browser's cookie holds: whoever reads it is logged in as its owner."""
    session = session_of(boss)
    for path in ("", f"{session.pk}/change/", f"{session.pk}/delete/"):
        answer = client.get(f"/admin/identity/session/{path}")
        assert answer.status_code == 200
        assert str(session.pk) in answer.content.decode()
        assert session.session_key not in answer.content.decode()
    assert client.get(f"/admin/identity/session/{session.session_key}/change/").status_code == 302
    act(client, "identity/session", "delete_selected", session, post="yes")
    assert not Session.objects.filter(pk=session.pk).exists()
    assert session.session_key not in "".join(entry.object_id or "" for entry in LogEntry.objects.all())


def test_only_superusers_change_what_a_role_may_do(client: Client) -> None:
    me = colleague(client, "view_user")
    role = me.groups.get()
    role.permissions.add(*Permission.objects.filter(content_type__app_label="auth", codename__endswith="_group"))
    everything = [permission.pk for permission in Permission.objects.all()[:50]]
    for path in ("add/", f"{role.pk}/change/", f"{role.pk}/delete/"):
        answer = client.post(f"/admin/auth/group/{path}", {"name": "meu", "permissions": everything, "post": "yes"})
        assert answer.status_code == 403
    assert role.permissions.count() == 5


def test_accounts_cannot_be_deleted(client: Client, boss: User) -> None:
    ana = UserFactory()
    assert client.post(f"/admin/identity/user/{ana.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_link_to_set_a_password_is_mailed(client: Client, boss: User, mailoutbox: list[EmailMessage]) -> None:
    ana = UserFactory(password="!")
    assert act(client, "identity/user", "send_link", ana).status_code == 200
    assert [mail.to for mail in mailoutbox] == [[ana.email]]
    assert "/conta/nova-senha/" in str(mailoutbox[0].body)


def test_sessions_are_ended_for_the_chosen_accounts(client: Client, boss: User) -> None:
    ana, bia = UserFactory(), UserFactory()
    for user in (ana, bia):
        Session.objects.create(session_key=f"k{user.pk}"[:40], session_data="", expire_date=user.created_at, user=user)
    act(client, "identity/user", "end_sessions", ana)
    assert [session.user for session in Session.objects.filter(user__in=[ana, bia])] == [bia]


def test_an_email_confirmed_by_hand_is_announced(client: Client, boss: User) -> None:
    ana = UserFactory(verified=False)
    act(client, "account/emailaddress", "confirm", EmailAddress.objects.get(user=ana))
    assert EmailAddress.objects.get(user=ana).verified
    assert published("identity", UserEmailVerified) == [UserEmailVerified(user_id=ana.id)]


def test_roles_can_be_edited(client: Client, boss: User) -> None:
    permission = Permission.objects.get(codename="view_user")
    assert client.get("/admin/auth/group/add/").status_code == 200
    assert client.post("/admin/auth/group/add/", {"name": "novo", "permissions": [permission.pk]}).status_code == 302
    assert list(Group.objects.get(name="novo").permissions.all()) == [permission]


def log_in(client: Client, user: User, **fields: str) -> Any:
    body = {"username": user.email, "password": PASSWORD, "next": "/admin/", **fields}
    return client.post("/admin/login/", body)


def test_staff_log_in_with_their_password(client: Client) -> None:
    boss = UserFactory(is_staff=True, is_superuser=True)
    assert "Código do autenticador" in client.get("/admin/login/").content.decode()
    assert log_in(client, boss, password="wrong").status_code == 200
    assert log_in(client, boss).status_code == 302
    assert client.get("/admin/").status_code == 200
    assert Session.objects.get(user=boss).ip == "127.0.0.1"


def test_the_second_factor_is_asked_for_here_too(client: Client, settings: Any) -> None:
    settings.MFA_TOTP_TOLERANCE = 1
    boss = UserFactory(is_staff=True, is_superuser=True)
    TOTP.activate(boss, SECRET)
    for code in ("", "000000"):
        assert log_in(client, boss, code=code).status_code == 200
        assert client.get("/admin/").status_code == 302
    assert log_in(client, boss, code=format_hotp_value(hotp_value(SECRET, int(time.time()) // 30))).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_guesses_are_limited_here_too(client: Client, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/5m/key"}
    boss = UserFactory(is_staff=True, is_superuser=True)
    for _ in range(2):
        log_in(client, boss, password="wrong")
    assert log_in(client, boss).status_code == 200
    assert client.get("/admin/").status_code == 302


def test_a_customer_does_not_get_into_the_back_office(client: Client) -> None:
    log_in(client, UserFactory())
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "question",
    [
        "identity/user/?password__startswith=argon2",
        "identity/user/?tax_id__startswith=5",
        "identity/session/?session_key__startswith=a",
        "identity/session/?session_data__contains=a",
        "identity/session/?refresh_token_id__gt=0",
        "identity/savedcard/?token__startswith=tok",
        "identity/address/?user__password__startswith=argon2",
        "mfa/authenticator/?data__secret__startswith=a",
    ],
)
def test_a_list_answers_no_questions_about_what_it_does_not_show(client: Client, boss: User, question: str) -> None:
    assert client.get(f"/admin/{question}").status_code == 400


@pytest.mark.parametrize(
    "question",
    [
        "identity/user/?is_staff__exact=1&groups__id__exact=1&q=ana",
        "identity/user/?email__startswith=a",
        "identity/address/?state__exact=SP",
        "account/emailaddress/?verified__exact=1",
    ],
)
def test_a_list_can_be_filtered_by_what_it_shows(client: Client, boss: User, question: str) -> None:
    assert client.get(f"/admin/{question}").status_code == 200


def test_saving_an_account_never_writes_an_old_password_back(
    client: Client, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    bia = UserFactory(full_name="Bia")
    save = User.save

    def change_password_meanwhile(self: User, *args: Any, **kwargs: Any) -> None:
        if self.pk == bia.pk:
            changed = User.objects.get(pk=bia.pk)
            changed.set_password("outro-caminho-77")
            User.objects.filter(pk=bia.pk).update(password=changed.password)
        save(self, *args, **kwargs)

    monkeypatch.setattr(User, "save", change_password_meanwhile)
    form = {"full_name": "Beatriz", "phone": "", "locale": "pt-BR", "is_active": "on"}
    with CaptureQueriesContext(connections["identity"]) as executed:
        assert client.post(f"/admin/identity/user/{bia.pk}/change/", form).status_code == 302
    assert any('FOR UPDATE OF "users"' in query["sql"] for query in executed)
    bia.refresh_from_db()
    assert (bia.full_name, bia.version) == ("Beatriz", 2)
    assert bia.check_password("outro-caminho-77")
