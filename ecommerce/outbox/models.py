"""The outbox tables. Every context's schema has a set of its own; always used with ``.using(alias)``."""

from django.db import models

PARTITIONS = 64
"""Aggregates are spread over this many partitions; a relay leases partitions, so order per aggregate is kept."""


class Status(models.TextChoices):
    PENDING = "PENDING", "na fila"
    BLOCKED = "BLOCKED", "espera outra tentativa"
    PARKED = "PARKED", "espera uma pessoa"


class OutboxEvent(models.Model):
    """An event that was not handed to the broker yet. Published rows move to the archive, so this table stays small."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    aggregate_type = models.CharField(max_length=60)
    aggregate_id = models.CharField(max_length=60)
    aggregate_version = models.BigIntegerField()
    partition_no = models.SmallIntegerField()
    event_type = models.CharField(max_length=100)
    payload = models.JSONField()
    headers = models.JSONField()
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    attempts = models.SmallIntegerField(default=0)
    available_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    origin = models.CharField(max_length=8, default="app")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "outbox_event"
        verbose_name = "evento a publicar"
        verbose_name_plural = "eventos a publicar"
        constraints = (
            models.UniqueConstraint(
                fields=["aggregate_type", "aggregate_id", "aggregate_version"], name="outbox_event_one_per_version"
            ),
            models.CheckConstraint(condition=models.Q(status__in=Status.values), name="outbox_event_known_status"),
        )
        indexes = (
            models.Index(
                fields=["partition_no", "id"], condition=models.Q(status=Status.PENDING), name="outbox_event_pending"
            ),
            models.Index(
                fields=["aggregate_type", "aggregate_id", "id"],
                condition=~models.Q(status=Status.PENDING),
                name="outbox_event_held",
            ),
        )

    def __str__(self) -> str:
        return f"{self.event_type} {self.aggregate_id} v{self.aggregate_version}"


class OutboxPartition(models.Model):
    """Which relay drains which partition, and until when; times are the database's."""

    partition_no = models.SmallIntegerField(primary_key=True)
    owner = models.UUIDField(null=True)
    epoch = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "outbox_partition"

    def __str__(self) -> str:
        return f"partition {self.partition_no}, epoch {self.epoch}"


class OutboxRelay(models.Model):
    """A relay that was alive lately: the partitions are shared out among these."""

    owner = models.UUIDField(primary_key=True)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "outbox_relay"

    def __str__(self) -> str:
        return str(self.owner)


class ArchivedEvent(models.Model):
    """A published event. The table is partitioned by day of ``published_at``; migrations create it by SQL."""

    id = models.BigIntegerField(primary_key=True)
    event_id = models.UUIDField()
    aggregate_type = models.CharField(max_length=60)
    aggregate_id = models.CharField(max_length=60)
    aggregate_version = models.BigIntegerField()
    event_type = models.CharField(max_length=100)
    payload = models.JSONField()
    headers = models.JSONField()
    attempts = models.SmallIntegerField()
    origin = models.CharField(max_length=8)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField()

    class Meta:
        db_table = "outbox_archive"
        managed = False
        verbose_name = "evento publicado"
        verbose_name_plural = "eventos publicados"

    def __str__(self) -> str:
        return f"{self.event_type} {self.aggregate_id} v{self.aggregate_version}"
