"""The inbox tables. Every context's schema has a set of its own; always used with ``.using(alias)``."""

from django.db import models


class Outcome(models.TextChoices):
    HANDLED = "HANDLED", "changed something"
    IGNORED = "IGNORED", "needed no change"
    DISCARDED = "DISCARDED", "discarded by a person"


class InboxMessage(models.Model):
    """One event handled by one consumer. The primary key is what makes effects happen once."""

    pk = models.CompositePrimaryKey("consumer", "message_id")
    consumer = models.CharField(max_length=120)
    message_id = models.UUIDField()
    event_type = models.CharField(max_length=100)
    partition_key = models.CharField(max_length=60, default="", db_default="")
    sequence = models.BigIntegerField(default=0, db_default=0)
    outcome = models.CharField(max_length=9, choices=Outcome)
    handled_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "inbox_message"
        indexes = (models.Index(fields=["consumer", "partition_key", "sequence"], name="inbox_message_order"),)

    def __str__(self) -> str:
        return f"{self.consumer} {self.message_id}"


class InboxStart(models.Model):
    """How often a consumer began with a message that it may have been handed before. Gone when the message is done."""

    pk = models.CompositePrimaryKey("consumer", "message_id")
    consumer = models.CharField(max_length=120)
    message_id = models.UUIDField()
    starts = models.SmallIntegerField()

    class Meta:
        db_table = "inbox_start"

    def __str__(self) -> str:
        return f"{self.consumer} {self.message_id}"


class ReplayStatus(models.TextChoices):
    RUNNING = "RUNNING", "em andamento"
    DONE = "DONE", "terminado"
    CANCELLED = "CANCELLED", "cancelado"
    FAILED = "FAILED", "não pode seguir"


class ReplayRun(models.Model):
    """Published events that a worker hands to a handler of this context again, because a person asked for it."""

    id = models.UUIDField(primary_key=True)
    publisher = models.CharField("publicado por", max_length=30)
    handler = models.CharField("manipulador", max_length=120)
    types = models.JSONField("tipos")
    since = models.DateTimeField("publicados desde")
    until = models.DateTimeField("até antes de")
    aggregate_id = models.CharField("agregado", max_length=60, blank=True)
    reason = models.TextField("por quê")
    actor = models.CharField("quem pediu", max_length=60)
    status = models.CharField("situação", max_length=9, choices=ReplayStatus, default=ReplayStatus.RUNNING)
    expected = models.BigIntegerField("previstos", null=True)
    """How many events a rehearsal read; None when it was too long to be finished."""
    position = models.BigIntegerField(default=0)
    """The number of the last event that is done, in the outbox of the publisher."""
    read = models.BigIntegerField("lidos", default=0)
    handled = models.BigIntegerField("tiveram efeito", default=0)
    ignored = models.BigIntegerField("sem nada a mudar", default=0)
    duplicates = models.BigIntegerField("já tratados", default=0)
    parked = models.BigIntegerField("parados", default=0)
    error = models.TextField("erro", blank=True, default="")
    lease_owner = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField("pedido em")
    ended_at = models.DateTimeField("terminado em", null=True)

    class Meta:
        db_table = "inbox_replay"
        verbose_name = "reenvio"
        verbose_name_plural = "reenvios"
        permissions = (("replay_events", "Pode reenviar eventos"),)
        constraints = (
            models.CheckConstraint(condition=models.Q(status__in=ReplayStatus.values), name="inbox_replay_status"),
        )
        indexes = (
            models.Index(fields=["id"], condition=models.Q(status=ReplayStatus.RUNNING), name="inbox_replay_running"),
        )

    def __str__(self) -> str:
        return f"{self.publisher} → {self.handler}"


class ParkedStatus(models.TextChoices):
    RETRY = "RETRY", "será tentada de novo"
    PARKED = "PARKED", "espera uma pessoa"


class ParkedMessage(models.Model):
    """A message that a handler could not take, with its whole envelope, and those queued behind it on the same key."""

    id = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=120)
    message_id = models.UUIDField(null=True)
    partition_key = models.CharField(max_length=60)
    event_type = models.CharField(max_length=100)
    headers = models.JSONField()
    body = models.TextField()
    reason = models.TextField()
    status = models.CharField(max_length=8, choices=ParkedStatus)
    attempts = models.SmallIntegerField(default=0)
    available_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "inbox_parked"
        verbose_name = "mensagem parada"
        verbose_name_plural = "mensagens paradas"
        constraints = (
            models.UniqueConstraint(fields=["consumer", "message_id"], name="inbox_parked_once"),
            models.CheckConstraint(condition=models.Q(status__in=ParkedStatus.values), name="inbox_parked_status"),
        )
        indexes = (models.Index(fields=["consumer", "partition_key", "id"], name="inbox_parked_key"),)

    def __str__(self) -> str:
        return f"{self.consumer} {self.event_type}"
