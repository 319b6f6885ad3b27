"""What went through, on record. Every context's schema has the table; always used by the name of an alias."""

from django.db import models


class EventFlow(models.Model):
    """What the workers of one context did within the ten seconds from ``at``. No row: no worker ran."""

    at = models.DateTimeField(primary_key=True)
    published = models.IntegerField()
    handled = models.IntegerField()
    duplicates = models.IntegerField()
    leases_lost = models.IntegerField()
    effects = models.IntegerField()
    effect_seconds = models.FloatField()
    """From publishing to effect, all ``effects`` together. Replayed events are handled and are not among them."""
    waiting = models.IntegerField()

    class Meta:
        db_table = "event_flow"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}"
