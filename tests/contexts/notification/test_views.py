"""The REST API."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from contexts.notification import usecases
from contexts.notification.domain import Channel, email_key
from contexts.notification.models import Message, Preference, PushSubscription, Template
from contexts.notification.usecases.wishes import unsubscribe_url
from ecommerce.http.authentication import Principal
from ecommerce.ids import new_id
from tests.contexts.notification.factories import NOW, MessageFactory

pytestmark = pytest.mark.django_db(databases=["notification"])

API = "/api/v1"


def client(*scopes: str, **principal: Any) -> APIClient:
    """Return a client that speaks for a customer, or for staff with ``scopes``."""
    api = APIClient()
    known = {"id": new_id(), "email": "ana@example.com", "email_verified": True, **principal}
    api.force_authenticate(Principal(**known, is_staff=bool(scopes), scopes=frozenset(scopes)))
    return api


def choice(channel: str, category: str, allowed: bool) -> dict[str, Any]:
    return {"channel": channel, "category": category, "allowed": allowed}


def effective(answer: Any) -> dict[tuple[str, str], bool]:
    return {(row["channel"], row["category"]): row["allowed"] for row in answer.json()["preferences"]}


def test_without_a_choice_only_transactional_mail_is_allowed() -> None:
    answer = client().get(f"{API}/me/notification-preferences")

    assert answer.status_code == 200
    assert [pair for pair, allowed in effective(answer).items() if allowed] == [("email", "transactional")]
    assert len(effective(answer)) == 6


def test_choices_are_kept_for_the_account_and_its_verified_address() -> None:
    me = new_id()
    body = {"preferences": [choice("sms", "transactional", True), choice("email", "transactional", False)]}

    answer = client(id=me).put(f"{API}/me/notification-preferences", body)

    assert answer.status_code == 200
    assert effective(answer)["sms", "transactional"] is True
    assert effective(answer)["email", "transactional"] is False
    assert effective(answer)["email", "marketing"] is False
    assert set(Preference.objects.values_list("recipient_key", flat=True)) == {
        f"customer:{me}",
        email_key("ana@example.com"),
    }


def test_an_unverified_address_is_not_decided_about() -> None:
    me = new_id()
    client(id=me, email_verified=False).put(
        f"{API}/me/notification-preferences", {"preferences": [choice("email", "marketing", True)]}
    )

    assert list(Preference.objects.values_list("recipient_key", flat=True)) == [f"customer:{me}"]


def test_a_choice_can_be_changed_back() -> None:
    api = client()
    for allowed in (True, False, True):
        answer = api.put(f"{API}/me/notification-preferences", {"preferences": [choice("email", "marketing", allowed)]})
        assert effective(answer)["email", "marketing"] is allowed


@pytest.mark.parametrize(
    "body",
    [{}, {"preferences": []}, {"preferences": [choice("fax", "marketing", True)]},
     {"preferences": 2 * [choice("email", "marketing", True)]}, {"preferences": "x"}],
)  # fmt: skip
def test_impossible_choices_are_refused(body: dict[str, Any]) -> None:
    answer = client().put(f"{API}/me/notification-preferences", body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith("/preferences")


def test_a_guest_has_no_preferences() -> None:
    assert APIClient().get(f"{API}/me/notification-preferences").status_code == 401


@pytest.fixture
def link() -> str:
    keys = ["customer:1", email_key("ana@example.com")]
    return unsubscribe_url(keys=keys, channel="email", category="marketing").removeprefix("http://localhost:8000")


def test_looking_at_an_unsubscribe_link_changes_nothing(link: str) -> None:
    page = APIClient().get(link, HTTP_ACCEPT="text/html,*/*;q=0.8")
    program = APIClient().get(link, HTTP_ACCEPT="application/json")

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<form method="post">' in page.content.decode()
    assert program.json() == {"channel": "email", "category": "marketing", "unsubscribed": False}
    assert not Preference.objects.exists()


def test_one_click_unsubscribes_the_account_and_the_address(link: str) -> None:
    for _ in range(2):
        answer = APIClient().post(link, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 200

    refused = Preference.objects.filter(allowed=False, channel="email", category="marketing")
    assert set(refused.values_list("recipient_key", flat=True)) == {"customer:1", email_key("ana@example.com")}


def test_a_browser_without_a_login_can_unsubscribe(link: str) -> None:
    answer = APIClient(enforce_csrf_checks=True).post(link, {}, format="multipart", HTTP_ACCEPT="text/html")

    assert "Pronto" in answer.content.decode()
    assert Preference.objects.count() == 2


def test_an_altered_link_is_unknown_to_people_and_programs(link: str) -> None:
    page = APIClient().get(link[:-1], HTTP_ACCEPT="text/html")
    program = APIClient().post(link[:-1], HTTP_ACCEPT="application/json")

    assert (page.status_code, program.status_code) == (404, 404)
    assert "não é válido" in page.content.decode()
    assert program.json()["code"] == "bad_unsubscribe_link"
    assert not Preference.objects.exists()


def subscription(endpoint: str = "https://push.example/abc") -> dict[str, Any]:
    return {"endpoint": endpoint, "keys": {"p256dh": "BPk-_9", "auth": "x_-1"}}


def test_a_browser_is_remembered_once_and_belongs_to_the_last_customer() -> None:
    first, second = new_id(), new_id()
    for customer_id in (first, first, second):
        assert client(id=customer_id).put(f"{API}/me/push-subscriptions", subscription()).status_code == 204

    assert PushSubscription.objects.get().customer_id == second
    client(id=first).delete(f"{API}/me/push-subscriptions", {"endpoint": "https://push.example/abc"})
    assert PushSubscription.objects.count() == 1
    client(id=second).delete(f"{API}/me/push-subscriptions", {"endpoint": "https://push.example/abc"})
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize("endpoint", ["http://push.example/abc", "javascript:alert(1)", ""])
def test_only_a_secure_endpoint_is_taken(endpoint: str) -> None:
    assert client().put(f"{API}/me/push-subscriptions", subscription(endpoint)).status_code == 400


VIEW = "notification.view_message"


def test_messages_come_newest_first_page_by_page_with_masked_addresses() -> None:
    made = MessageFactory.create_batch(5)
    api, url, seen = client(VIEW), f"{API}/messages?limit=2", []
    while url:
        page = api.get(url).json()
        seen += page["results"]
        url = page["next"]

    assert [UUID(row["id"]) for row in seen] == sorted((message.id for message in made), reverse=True)
    assert seen[0]["recipient"] == "c•••@example.com"
    assert "context" not in seen[0]


def test_messages_can_be_filtered() -> None:
    order_id = str(new_id())
    wanted = MessageFactory(status="sent", about=order_id, recipient="x@example.com")
    MessageFactory.create_batch(2)

    for query in ("status=sent", f"about={order_id}", "recipient=x@example.com", f"event_id={wanted.event_id}"):
        rows = client(VIEW).get(f"{API}/messages?{query}").json()["results"]
        assert [row["id"] for row in rows] == [str(wanted.id)], query
    assert client(VIEW).get(f"{API}/messages?status=lost").status_code == 400


def test_a_list_of_messages_costs_one_statement_whatever_its_length() -> None:
    for size in (3, 30):
        MessageFactory.create_batch(size)
        with CaptureQueriesContext(connections["notification"]) as queries:
            assert client(VIEW).get(f"{API}/messages?limit=100").status_code == 200
        assert len(queries) == 1


def test_a_message_shows_its_text_and_its_attempts() -> None:
    message = MessageFactory(status="sent", body_text="Oi", attempts=1)
    message.delivery_attempts.create(number=1, at=NOW, outcome="sent", duration_ms=12)

    body = client(VIEW).get(f"{API}/messages/{message.id}").json()

    assert (body["recipient"], body["body_text"]) == (message.recipient, "Oi")
    assert body["delivery_attempts"][0]["duration_ms"] == 12
    assert client(VIEW).get(f"{API}/messages/{new_id()}").status_code == 404


def test_a_message_is_sent_again_on_request() -> None:
    message, open_one = MessageFactory(status="failed"), MessageFactory()
    api = client("notification.change_message")

    assert api.post(f"{API}/messages/{message.id}/resend").status_code == 202
    assert Message.objects.get(id=message.id).status == "queued"
    refused = api.post(f"{API}/messages/{open_one.id}/resend")
    assert (refused.status_code, refused.json()["code"]) == (409, "message_not_resendable")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "messages", "notification.view_message"),
        ("get", "messages/{id}", "notification.view_message"),
        ("post", "messages/{id}/resend", "notification.change_message"),
        ("get", "message-templates", "notification.view_template"),
        ("get", "message-templates/{id}", "notification.view_template"),
        ("post", "message-templates/{id}/preview", "notification.view_template"),
        ("post", "message-templates/{id}/versions", "notification.change_template"),
        ("post", "message-templates/{id}/test-send", "notification.change_template"),
        ("post", "message-templates/{id}/publish", "notification.change_template"),
        ("post", "message-templates/{id}/rollback", "notification.change_template"),
    ],
)
def test_each_staff_endpoint_needs_its_scope(method: str, path: str, scope: str) -> None:
    url = f"{API}/{path.format(id=new_id())}"
    everything_else = {
        f"notification.{verb}_{model}" for verb in ("view", "change", "add") for model in ("message", "template")
    } - {scope}

    assert getattr(APIClient(), method)(url).status_code == 401
    assert getattr(client(*everything_else), method)(url).status_code == 403
    assert getattr(client(scope), method)(url).status_code not in (401, 403, 500)


@pytest.fixture
def template(templates: None) -> Template:
    return Template.objects.get(key="order_confirmed", channel="email", locale="pt-br")


STAFF = ("notification.view_template", "notification.change_template")


def test_the_list_of_templates_is_one_statement(template: Template) -> None:
    with CaptureQueriesContext(connections["notification"]) as queries:
        rows = client(*STAFF).get(f"{API}/message-templates").json()

    assert len(queries) == 1
    assert next(row for row in rows if row["id"] == str(template.id)) == {
        "id": str(template.id),
        "key": "order_confirmed",
        "name": "Pagamento confirmado",
        "category": "transactional",
        "channel": "email",
        "locale": "pt-br",
        "published_number": 1,
        "revision": 1,
        "updated_at": rows[0]["updated_at"],
    }


def test_a_template_is_edited_previewed_published_and_taken_back(template: Template) -> None:
    api, url = client(*STAFF), f"{API}/message-templates/{template.id}"
    text = {
        "subject": "Oi {{ order.number }}",
        "body_text": "{{ order.recipient }}\n",
        "body_html": "<b>{{ name }}</b>",
    }

    drafted = api.post(f"{url}/versions", text)
    assert drafted.status_code == 201
    assert [version["number"] for version in drafted.json()["versions"]] == [2, 1]
    assert drafted.json()["versions"][0]["created_by"] == str(api.handler._force_user.id)

    preview = api.post(f"{url}/preview", {"number": 2}).json()
    assert preview == {
        "subject": "Oi 2026-000123",
        "text": "Conceição Araújo\n",
        "html": "<b>Conceição</b>",
        "unknown": [],
    }
    unsaved = api.post(f"{url}/preview", {"draft": {**text, "body_text": "{{ x }}"}, "values": {"name": "<Zé>"}}).json()
    assert unsaved["html"] == "<b>&lt;Zé&gt;</b>"
    assert unsaved["unknown"] == ["order.number", "x"]

    etag = api.get(url).headers["ETag"]
    assert api.post(f"{url}/publish", {"number": 2}).status_code == 428
    assert api.post(f"{url}/publish", {"number": 2}, HTTP_IF_MATCH='"0"').status_code == 412
    published = api.post(f"{url}/publish", {"number": 2}, HTTP_IF_MATCH=etag)
    assert (published.status_code, published.json()["published_number"]) == (200, 2)
    assert api.post(f"{url}/rollback", HTTP_IF_MATCH=etag).status_code == 412
    back = api.post(f"{url}/rollback", HTTP_IF_MATCH=published.headers["ETag"])
    assert (back.status_code, back.json()["published_number"]) == (200, 1)
    again = api.post(f"{url}/rollback", HTTP_IF_MATCH=back.headers["ETag"])
    assert (again.status_code, again.json()["code"]) == (409, "no_older_template_version")


def test_a_broken_text_is_refused_with_its_reason(template: Template) -> None:
    answer = client(*STAFF).post(f"{API}/message-templates/{template.id}/versions", {"body_text": "{% load i18n %}"})

    assert (answer.status_code, answer.json()["code"], answer.json()["part"]) == (422, "template_broken", "text")


def test_a_test_is_queued_for_the_address_given(template: Template) -> None:
    answer = client(*STAFF).post(f"{API}/message-templates/{template.id}/test-send", {"recipient": "e@example.com"})

    assert answer.status_code == 202
    assert Message.objects.get(status="queued").recipient == "e@example.com"


def test_a_marketing_wish_given_by_link_stops_the_next_message(templates: None) -> None:
    message = MessageFactory(kind="cart_abandoned", event_type="cart.abandoned.v1")
    link = unsubscribe_url(keys=[message.recipient_key], channel="email", category="marketing")
    APIClient().post(link.removeprefix("http://localhost:8000"))

    usecases.deliver_batch(channel=Channel.EMAIL, now=NOW)
    message.refresh_from_db()
    assert (message.status, message.reason) == ("suppressed", "opted_out")
