"""Templates: drafts, publication, rollback, tests of them, and the shipped ones."""

from typing import Any

import pytest

from contexts.notification import usecases
from contexts.notification.adapters import TemplateBroken
from contexts.notification.domain import Channel, shipped_templates
from contexts.notification.models import Message, NoOlderVersion, Template, TemplateVersion, VersionNotFound
from contexts.notification.queries import TemplateNotFound
from ecommerce.ids import new_id
from tests.contexts.notification.factories import NOW
from tests.contexts.notification.mail_sink import MailSink, text_of
from tests.contexts.notification.parallel import in_parallel

one_database = pytest.mark.django_db(databases=["notification"])
real_commits = pytest.mark.django_db(databases=["notification"], transaction=True)


@pytest.fixture
def template(templates: None) -> Template:
    return Template.objects.get(key="order_confirmed", channel="email", locale="pt-br")


def draft(template: Template, text: str = "{{ order.number }}", **parts: str) -> TemplateVersion:
    values = {"subject": "Pedido", "body_html": "", **parts}
    return usecases.add_version(template_id=template.id, body_text=text, created_by=None, now=NOW, **values)


@one_database
def test_a_draft_changes_nothing_until_it_is_published(template: Template) -> None:
    before = template.published
    version = draft(template)

    template.refresh_from_db()
    assert (version.number, template.published, template.revision) == (2, before, 1)
    usecases.publish_version(template_id=template.id, number=2, now=NOW)
    template.refresh_from_db()
    assert (template.published, template.revision, template.updated_at) == (version, 2, NOW)


@one_database
def test_publishing_what_is_published_changes_nothing(template: Template) -> None:
    usecases.publish_version(template_id=template.id, number=1, now=NOW)

    template.refresh_from_db()
    assert template.revision == 1


@one_database
def test_a_rollback_goes_back_one_version_at_a_time_to_the_first(template: Template) -> None:
    for number in (2, 3):
        draft(template)
        usecases.publish_version(template_id=template.id, number=number, now=NOW)

    for number in (2, 1):
        rolled = usecases.roll_back(template_id=template.id, now=NOW)
        assert rolled.published is not None
        assert rolled.published.number == number
    with pytest.raises(NoOlderVersion):
        usecases.roll_back(template_id=template.id, now=NOW)


@one_database
def test_a_draft_must_render_and_a_publication_must_know_its_variables(template: Template) -> None:
    with pytest.raises(TemplateBroken):
        draft(template, "{% include 'x' %}")
    draft(template, "{{ order.nubmer }}")

    with pytest.raises(TemplateBroken) as refused:
        usecases.publish_version(template_id=template.id, number=2, now=NOW)
    assert refused.value.params["unknown"] == ["order.nubmer"]
    template.refresh_from_db()
    assert template.revision == 1


@one_database
def test_a_precondition_is_asked_with_the_revision_under_the_lock(template: Template) -> None:
    draft(template)

    def refuse(revision: int) -> None:
        raise ValueError(revision)

    with pytest.raises(ValueError, match="1"):
        usecases.publish_version(template_id=template.id, number=2, now=NOW, precondition=refuse)
    with pytest.raises(ValueError, match="1"):
        usecases.roll_back(template_id=template.id, now=NOW, precondition=refuse)


@one_database
def test_a_version_of_another_template_or_an_unknown_one_is_not_published(template: Template) -> None:
    other = Template.objects.exclude(id=template.id)[0]
    with pytest.raises(VersionNotFound):
        template.publish(other.versions.get(), now=NOW)
    with pytest.raises(VersionNotFound):
        usecases.publish_version(template_id=template.id, number=9, now=NOW)
    with pytest.raises(TemplateNotFound):
        usecases.publish_version(template_id=new_id(), number=1, now=NOW)


@real_commits
def test_parallel_drafts_get_numbers_without_gap_or_twin(template: Template) -> None:
    in_parallel(6, lambda number: draft(template, f"Texto {number}"))

    assert sorted(template.versions.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6, 7]


@real_commits
def test_parallel_installations_install_each_template_once() -> None:
    Template.objects.update(published=None)
    TemplateVersion.objects.all().delete()
    Template.objects.all().delete()

    in_parallel(4, lambda number: usecases.install_missing_templates(now=NOW))

    assert Template.objects.filter(published__number=1).count() == len(shipped_templates())
    assert TemplateVersion.objects.count() == len(shipped_templates())


@one_database
def test_an_installation_leaves_edited_templates_alone(template: Template) -> None:
    draft(template)
    usecases.publish_version(template_id=template.id, number=2, now=NOW)

    assert usecases.install_missing_templates(now=NOW) == 0
    template.refresh_from_db()
    assert template.published is not None
    assert template.published.number == 2


@one_database
def test_a_migrated_database_has_the_shipped_templates() -> None:
    """Runs before any test that empties tables, or after the fixture: either way nothing is missing."""
    usecases.install_missing_templates(now=NOW)
    rows = Template.objects.select_related("published")

    shipped = {(each.key, each.channel.value, each.locale): each.body_text for each in shipped_templates()}
    assert {(row.key, row.channel, row.locale): row.published.body_text for row in rows if row.published} == shipped


@one_database
def test_a_test_sends_the_chosen_version_with_made_up_data_and_says_so(template: Template, sink: MailSink) -> None:
    draft(template, "Rascunho {{ order.number }}", subject="Oi {{ order.recipient }}")

    message = usecases.send_test(template_id=template.id, number=2, recipient="equipe@example.com", now=NOW)
    usecases.deliver_batch(channel=Channel.EMAIL, now=NOW)

    [mail] = sink.mails
    assert (mail["To"], mail["Subject"]) == ("equipe@example.com", "[Teste] Oi Conceição Araújo")
    assert text_of(mail).strip() == "Rascunho 2026-000123"
    assert Message.objects.get(id=message.id).event_type == "notification.test"


@one_database
@pytest.mark.parametrize(
    ("channel", "recipient", "accepted"),
    [("email", "equipe", False), ("email", "a@example.com", True), ("sms", "11987654321", False),
     ("sms", "+5511987654321", True)],
)  # fmt: skip
def test_a_test_goes_only_where_its_channel_reaches(
    templates: None, channel: str, recipient: str, accepted: bool
) -> None:
    template = Template.objects.get(key="order_shipped", channel=channel, locale="pt-br")
    values: dict[str, Any] = {"template_id": template.id, "number": None, "recipient": recipient, "now": NOW}
    if accepted:
        assert usecases.send_test(**values).recipient == recipient
        return
    with pytest.raises(usecases.BadTestRecipient):
        usecases.send_test(**values)
    assert not Message.objects.exists()
