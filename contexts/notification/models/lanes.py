"""One sender per channel at a time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import models


class LaneQuerySet(models.QuerySet["DeliveryLane"]):
    def take(self, *, channel: str, owner: UUID, now: datetime, until: datetime) -> bool:
        """Take the lane if it is free or its owner is overdue; say whether it is ours. One statement."""
        taken = self.raw(
            """INSERT INTO delivery_lanes (channel, owner, lease_until) VALUES (%s, %s, %s)
            ON CONFLICT (channel) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
            WHERE delivery_lanes.lease_until <= %s RETURNING channel, owner, lease_until""",
            [channel, owner, until, now],
        )
        return len(list(taken)) == 1

    def leave(self, *, channel: str, owner: UUID, now: datetime) -> None:
        """Free the lane, if it is still ours."""
        self.filter(channel=channel, owner=owner).update(lease_until=now)


class DeliveryLane(models.Model):
    """Keeps several workers from crowding one provider and each other's task slots.

    A courtesy, not a guard: when a lease lapses two workers may send side by side, and the claim of each message
    keeps them from sending the same one.
    """

    channel = models.CharField("canal", max_length=8, primary_key=True)
    owner = models.UUIDField("dono")
    lease_until = models.DateTimeField("reservado até")

    objects = LaneQuerySet.as_manager()

    class Meta:
        db_table = "delivery_lanes"
        verbose_name = "via de envio"
        verbose_name_plural = "vias de envio"

    def __str__(self) -> str:
        return self.channel
