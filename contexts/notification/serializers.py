"""Input of the REST API, and the documentation of its output."""

from typing import Any

from rest_framework import serializers

from contexts.notification.domain import KINDS, LOCALES, Category, Channel
from contexts.notification.models import DeliveryAttempt, Status

CHANNELS = [channel.value for channel in Channel]
CATEGORIES = [category.value for category in Category]


class ChoiceSchema(serializers.Serializer[Any]):
    channel = serializers.ChoiceField(choices=CHANNELS)
    category = serializers.ChoiceField(choices=CATEGORIES)
    allowed = serializers.BooleanField()


class PreferencesInput(serializers.Serializer[Any]):
    """What is not named stays as it is."""

    preferences = ChoiceSchema(many=True, allow_empty=False)

    def validate_preferences(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each pair of channel and category once, which also bounds the list."""
        if len({(choice["channel"], choice["category"]) for choice in value}) < len(value):
            raise serializers.ValidationError("Cada canal e categoria só pode aparecer uma vez.")
        return value


class PreferenceSchema(ChoiceSchema):
    chosen = serializers.BooleanField(help_text="False: nobody chose; this is the default.")


class PreferencesSchema(serializers.Serializer[Any]):
    preferences = PreferenceSchema(many=True)


class UnsubscribeSchema(serializers.Serializer[Any]):
    channel = serializers.ChoiceField(choices=CHANNELS)
    category = serializers.ChoiceField(choices=CATEGORIES)
    unsubscribed = serializers.BooleanField()


class PushKeys(serializers.Serializer[Any]):
    p256dh = serializers.RegexField(r"^[A-Za-z0-9_-]+=*$", max_length=200)
    auth = serializers.RegexField(r"^[A-Za-z0-9_-]+=*$", max_length=100)


class PushEndpoint(serializers.Serializer[Any]):
    endpoint = serializers.URLField(max_length=1000)

    def validate_endpoint(self, value: str) -> str:
        if not value.startswith("https://"):
            raise serializers.ValidationError("O endereço deve começar com https://.")
        return value


class PushSubscriptionInput(PushEndpoint):
    """What ``PushManager.subscribe()`` gives a browser."""

    keys = PushKeys()


class MessageFilter(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=Status.values, required=False)
    channel = serializers.ChoiceField(choices=CHANNELS, required=False)
    kind = serializers.ChoiceField(choices=sorted(KINDS), required=False)
    event_type = serializers.CharField(max_length=80, required=False)
    event_id = serializers.UUIDField(required=False)
    about = serializers.CharField(max_length=80, required=False, help_text="The aggregate, such as an order's id.")
    recipient = serializers.CharField(max_length=320, required=False, help_text="The exact address.")


class MessageSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    event_type = serializers.CharField()
    about = serializers.CharField()
    kind = serializers.ChoiceField(choices=sorted(KINDS))
    category = serializers.ChoiceField(choices=CATEGORIES)
    channel = serializers.ChoiceField(choices=CHANNELS)
    locale = serializers.ChoiceField(choices=LOCALES)
    recipient = serializers.CharField(help_text="Masked in lists.")
    subject = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    reason = serializers.CharField(help_text="Why it is not sent, if suppressed.")
    attempts = serializers.IntegerField()
    resends = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()
    provider_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class AttemptSchema(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=DeliveryAttempt.Outcome.values)
    error = serializers.CharField()
    response = serializers.CharField()
    duration_ms = serializers.IntegerField()


class MessageDetailSchema(MessageSchema):
    template_version_number = serializers.IntegerField(allow_null=True)
    body_text = serializers.CharField()
    body_html = serializers.CharField()
    delivery_attempts = AttemptSchema(many=True)


class TemplateSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    key = serializers.ChoiceField(choices=sorted(KINDS))
    name = serializers.CharField()
    category = serializers.ChoiceField(choices=CATEGORIES)
    channel = serializers.ChoiceField(choices=CHANNELS)
    locale = serializers.ChoiceField(choices=LOCALES)
    published_number = serializers.IntegerField(allow_null=True)
    revision = serializers.IntegerField()
    updated_at = serializers.DateTimeField()


class VersionInput(serializers.Serializer[Any]):
    subject = serializers.CharField(max_length=300, allow_blank=True, default="")
    body_text = serializers.CharField(max_length=65536, trim_whitespace=False)
    body_html = serializers.CharField(max_length=65536, trim_whitespace=False, allow_blank=True, default="")


class VersionSchema(VersionInput):
    number = serializers.IntegerField()
    created_by = serializers.UUIDField(allow_null=True, help_text="null: came with the program.")
    created_at = serializers.DateTimeField()


class TemplateDetailSchema(TemplateSchema):
    versions = VersionSchema(many=True)


class PreviewInput(serializers.Serializer[Any]):
    """A version by ``number`` (default the published one), or a text that is not stored yet."""

    number = serializers.IntegerField(min_value=1, max_value=2_147_483_647, required=False)
    draft = VersionInput(required=False)
    values = serializers.DictField(required=False, help_text="Default: made-up data.")


class PreviewSchema(serializers.Serializer[Any]):
    subject = serializers.CharField()
    text = serializers.CharField()
    html = serializers.CharField()
    unknown = serializers.ListField(child=serializers.CharField(), help_text="Variables that the data do not have.")


class TestInput(serializers.Serializer[Any]):
    recipient = serializers.CharField(max_length=320)
    number = serializers.IntegerField(min_value=1, max_value=2_147_483_647, required=False)


class PublishInput(serializers.Serializer[Any]):
    number = serializers.IntegerField(min_value=1, max_value=2_147_483_647)
