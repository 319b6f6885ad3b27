"""The memory of answered requests. Every context's schema has a table of its own; used only by ``idempotency``."""

from django.db import models


class IdempotencyKey(models.Model):
    """One request that a client may repeat. ``status_code`` is null until its answer is known."""

    pk = models.CompositePrimaryKey("scope", "key")
    scope = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    resource_id = models.UUIDField(null=True)
    status_code = models.SmallIntegerField(null=True)
    response = models.JSONField(null=True)
    created_at = models.DateTimeField()
    locked_until = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "idempotency_keys"

    def __str__(self) -> str:
        return self.key
