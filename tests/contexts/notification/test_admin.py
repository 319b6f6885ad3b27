"""The back office."""

from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contexts.identity.models import User
from contexts.notification.models import Message, Template
from contexts.notification.queries import message_detail
from tests.contexts.notification.factories import NOW, MessageFactory

pytestmark = pytest.mark.django_db(databases=["identity", "notification"])


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(
        User.objects.create(email="equipe@example.com", is_staff=True, is_superuser=True, is_active=True)
    )
    return client


@pytest.fixture
def template(templates: None) -> Template:
    return Template.objects.get(key="order_confirmed", channel="email", locale="pt-br")


def page(model: str, name: str, *args: Any) -> str:
    return reverse(f"admin:notification_{model}_{name}", args=args)


def texts(template: Template, **changes: Any) -> dict[str, Any]:
    """Return what the change form of a template posts."""
    version = template.published
    assert version is not None
    management = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 0, "MAX_NUM_FORMS": 0}
    return {
        "subject": version.subject,
        "body_text": version.body_text.replace("\n", "\r\n"),
        "body_html": version.body_html.replace("\n", "\r\n"),
        **{f"versions-{name}": value for name, value in management.items()},
        **changes,
    }


def test_the_list_of_messages_masks_addresses(staff: Client) -> None:
    MessageFactory(recipient="maria@example.com")
    content = staff.get(page("message", "changelist")).content.decode()

    assert "m•••@example.com" in content
    assert "maria@example.com" not in content


@pytest.mark.parametrize("model", ["message", "template", "preference", "pushsubscription"])
def test_lists_cost_the_same_whatever_their_length(staff: Client, model: str, templates: None) -> None:
    counts = []
    for size in (2, 20):
        MessageFactory.create_batch(size, status="sent")
        if model == "template":
            Template.objects.filter(locale="en").update(published=None)
        staff.get(page(model, "changelist"))
        with CaptureQueriesContext(connections["notification"]) as queries:
            assert staff.get(page(model, "changelist")).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 3


def test_messages_are_filtered_by_status_and_found_by_address(staff: Client) -> None:
    MessageFactory(recipient="maria@example.com", status="failed")
    MessageFactory(recipient="jose@example.com")

    for query in ("status__exact=failed", "q=maria@example.com"):
        content = staff.get(f"{page('message', 'changelist')}?{query}").content.decode()
        assert "m•••@example.com" in content
        assert "j•••@example.com" not in content


def test_failed_messages_are_sent_again_and_others_say_why_not(staff: Client) -> None:
    failed, queued = MessageFactory(status="failed"), MessageFactory()

    answer = staff.post(
        page("message", "changelist"), {"action": "resend", "_selected_action": [failed.pk, queued.pk]}, follow=True
    )

    assert Message.objects.get(pk=failed.pk).resends == 1
    assert Message.objects.get(pk=queued.pk).resends == 0
    notes = [str(note) for note in answer.context["messages"]]
    assert notes == [f"{queued.pk}: Esta mensagem não pode ser enviada de novo.", "1 na fila de envio."]


def test_a_message_is_sent_again_from_its_page(staff: Client) -> None:
    failed = MessageFactory(status="failed")
    url = page("message", "resend_one", failed.pk)
    staff.get(url)
    assert Message.objects.get(pk=failed.pk).status == "failed"

    staff.post(url, {"_form_submitted": "True"})
    assert Message.objects.get(pk=failed.pk).status == "queued"


def test_a_message_shows_its_attempts_and_its_body_in_a_frame_that_runs_nothing(staff: Client) -> None:
    message = MessageFactory(
        status="sent", subject="Oi", body_text="texto", body_html='<b>"Oi"</b><script>x()</script>'
    )
    message.delivery_attempts.create(number=1, at=NOW, outcome="permanent", error="550 no", duration_ms=7)

    assert "550 no" in staff.get(page("message", "change", message.pk)).content.decode()
    look = staff.get(page("message", "look", message.pk)).content.decode()
    assert '<iframe sandbox=""' in look
    assert "&lt;b&gt;&quot;Oi&quot;&lt;/b&gt;&lt;script&gt;" in look
    assert "<script>x()" not in look


def test_nobody_edits_or_deletes_a_message(staff: Client) -> None:
    message = MessageFactory(status="sent")

    staff.post(page("message", "change", message.pk), {"recipient": "other@example.com", "status": "queued"})
    assert staff.get(page("message", "delete", message.pk)).status_code == 403
    assert Message.objects.get(pk=message.pk).status == "sent"


def test_saving_an_unchanged_template_adds_no_version(staff: Client, template: Template) -> None:
    answer = staff.post(page("template", "change", template.pk), texts(template))

    assert answer.status_code == 302
    assert template.versions.count() == 1


def test_an_edit_is_a_draft_unless_published_at_once(staff: Client, template: Template) -> None:
    url = page("template", "change", template.pk)
    assert staff.post(url, texts(template, subject="Novo")).status_code == 302
    template.refresh_from_db()
    assert (template.versions.count(), template.revision) == (2, 1)

    assert staff.post(url, texts(template, subject="Outro", publish_now="on")).status_code == 302
    template.refresh_from_db()
    assert template.published is not None
    assert (template.published.subject, template.published.number, template.revision) == ("Outro", 3, 2)
    assert template.published.created_by == User.objects.get().pk
    assert "\r" not in template.published.body_text


@pytest.mark.parametrize(
    ("text", "publish", "complaint"),
    [("{% load i18n %}", "", "load"), ("{{ order.nubmer }}", "on", "order.nubmer")],
)
def test_a_broken_edit_is_explained_in_the_form(
    staff: Client, template: Template, text: str, publish: str, complaint: str
) -> None:
    answer = staff.post(page("template", "change", template.pk), texts(template, body_text=text, publish_now=publish))

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert template.versions.count() == 1


def test_a_template_is_previewed_with_made_up_data(staff: Client, template: Template) -> None:
    template.add_version(
        subject="Olá {{ order.recipient }}", body_text="{{ wrong }}", body_html="<i>x</i>", created_by=None, now=NOW
    )

    published = staff.get(page("template", "look", template.pk)).content.decode()
    assert "Pedido 2026-000123 confirmado" in published
    draft = staff.get(f"{page('template', 'look', template.pk)}?number=2").content.decode()
    assert "Olá Conceição Araújo" in draft
    assert "⟦wrong?⟧" in draft
    assert 'srcdoc="&lt;i&gt;x&lt;/i&gt;"' in draft
    assert (
        "Este modelo não tem essa versão"
        in staff.get(f"{page('template', 'look', template.pk)}?number=9").content.decode()
    )


def test_dialogs_publish_take_back_and_try_a_version(staff: Client, template: Template) -> None:
    template.add_version(subject="x", body_text="y", body_html="", created_by=None, now=NOW)
    shown = staff.get(page("template", "publish", template.pk))
    assert "Publicar uma versão" in shown.content.decode()

    def submit(action: str, **values: Any) -> Any:
        url = page("template", action, template.pk)
        return staff.post(url, {"_form_submitted": "True", **values}, headers={"HX-Request": "true"})

    answer = submit("publish", number=2)
    assert answer.headers["HX-Redirect"] == page("template", "change", template.pk)
    template.refresh_from_db()
    assert template.revision == 2
    submit("roll_back")
    template.refresh_from_db()
    assert template.published is not None
    assert (template.published.number, template.revision) == (1, 3)
    submit("try_out", recipient="eu@example.com", number=2)
    message = Message.objects.get()
    assert (message.recipient, message.status) == ("eu@example.com", "queued")
    assert message.template_version is not None
    assert message.template_version.number == 2


def test_only_those_who_may_change_messages_send_them_again() -> None:
    message = MessageFactory(status="failed")
    client = Client()
    client.force_login(User.objects.create(email="olha@example.com", is_staff=True, is_active=True))

    assert client.get(page("message", "resend_one", message.pk)).status_code == 403
    assert client.get(page("message", "changelist")).status_code == 403
    assert Message.objects.get(pk=message.pk).resends == 0


def test_looking_at_a_message_gives_staff_no_key_of_the_customer(staff: Client) -> None:
    link = "https://loja.example/carrinho/recuperar?token=segredo.assinado-1"
    message = MessageFactory(
        kind="cart_abandoned",
        status="sent",
        context={"recovery_url": link},
        body_text=f"Volte: {link}\n",
        body_html=f'<p><a href="{link}">Volte</a></p>',
    )
    for name in ("change", "look"):
        shown = staff.get(page("message", name, message.pk)).content.decode()
        assert "recuperar?token=…" in shown
        assert "segredo" not in shown
    assert "segredo" not in str(message_detail(message.pk))
