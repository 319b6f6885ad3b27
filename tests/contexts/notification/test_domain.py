import uuid
from datetime import timedelta

import pytest

from contexts.notification.domain import (
    KINDS,
    LOCALES,
    MAX_ATTEMPTS,
    Category,
    Channel,
    Recipient,
    email_key,
    known_locale,
    masked,
    refusal,
    retry_delay,
    shipped_templates,
)

EMAIL, SMS = Channel.EMAIL, Channel.SMS
ORDERS, OFFERS = Category.TRANSACTIONAL, Category.MARKETING


@pytest.mark.parametrize(
    ("channel", "category", "wishes", "consent", "expected"),
    [
        (EMAIL, ORDERS, [], False, ""),
        (EMAIL, ORDERS, [False], False, "opted_out"),
        (EMAIL, OFFERS, [], False, "no_consent"),
        (EMAIL, OFFERS, [], True, ""),
        (EMAIL, OFFERS, [True], False, ""),
        (EMAIL, OFFERS, [True, False], True, "opted_out"),
        (SMS, ORDERS, [], True, "no_consent"),
        (SMS, ORDERS, [True], False, ""),
    ],
)
def test_a_wish_decides_and_without_one_only_transactional_mail_or_consent(
    channel: Channel, category: Category, wishes: list[bool], consent: bool, expected: str
) -> None:
    assert refusal(channel=channel, category=category, wishes=wishes, consent=consent) == expected


def test_delays_grow_up_to_six_hours_and_end_after_eight_attempts() -> None:
    delays = [retry_delay(attempt, jitter=0.9999999999) for attempt in range(1, MAX_ATTEMPTS)]

    seconds = [round(delay.total_seconds()) for delay in delays if delay]
    assert seconds == [15, 60, 240, 960, 3840, 15360, 21600]
    assert retry_delay(MAX_ATTEMPTS, jitter=0.5) is None
    assert retry_delay(3, jitter=0) == timedelta(0)


@pytest.mark.parametrize(
    ("tag", "locale"),
    [("pt-BR", "pt-br"), ("pt", "pt-br"), ("en_US", "en"), ("EN", "en"), ("de", "pt-br"), ("", "pt-br")],
)
def test_any_language_tag_leads_to_a_known_locale(tag: str, locale: str) -> None:
    assert known_locale(tag) == locale


def test_an_address_is_masked() -> None:
    assert masked("maria@example.com") == "m•••@example.com"
    assert masked("+5511987654321") == "•••4321"
    assert masked("") == ""


def test_the_key_of_an_address_ignores_case_and_hides_it() -> None:
    assert email_key(" Maria@Example.com ") == email_key("maria@example.com")
    assert "maria" not in email_key("maria@example.com")


def test_a_customer_is_known_by_account_and_by_address() -> None:
    customer_id = uuid.uuid4()
    customer = Recipient(email="a@example.com", customer_id=customer_id)

    assert customer.key == f"customer:{customer_id}"
    assert customer.keys == [f"customer:{customer_id}", email_key("a@example.com")]
    assert Recipient(email="a@example.com").keys == [email_key("a@example.com")]


def test_every_kind_is_shipped_on_each_of_its_channels_in_each_language() -> None:
    shipped = {(template.key, template.channel, template.locale) for template in shipped_templates()}

    assert shipped == {
        (key, channel, locale) for key, kind in KINDS.items() for channel in kind.channels for locale in LOCALES
    }
    assert all(template.subject and template.body_html for template in shipped_templates() if template.channel == EMAIL)
