"""The saga tables. Every context's schema has a set of its own; always used with ``.using(alias)``."""

from django.db import models

from ecommerce.ids import new_id


class SagaStatus(models.TextChoices):
    RUNNING = "RUNNING", "running"
    WAITING = "WAITING", "waits for something outside"
    COMPENSATING = "COMPENSATING", "undoing"
    COMPLETED = "COMPLETED", "completed"
    COMPENSATED = "COMPENSATED", "undone"
    PARKED = "PARKED", "waits for a person"


class StepStatus(models.TextChoices):
    STARTED = "STARTED", "started"
    DONE = "DONE", "done"
    FAILED = "FAILED", "failed"
    UNKNOWN = "UNKNOWN", "outcome unknown"
    WAITING = "WAITING", "waits"
    PARKED = "PARKED", "given up"


class Direction(models.TextChoices):
    DO = "DO", "forward"
    UNDO = "UNDO", "compensation"


class SagaInstance(models.Model):
    """One saga. ``data`` is what its steps have learnt; ``due_at`` is when a worker should look at it again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    saga_type = models.CharField(max_length=60)
    definition_version = models.SmallIntegerField()
    subject = models.UUIDField(db_index=True)
    status = models.CharField(max_length=12, choices=SagaStatus)
    current_step = models.SmallIntegerField()
    attempt = models.SmallIntegerField(default=1)
    data = models.JSONField(default=dict)
    error = models.JSONField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "saga_instance"
        verbose_name = "saga"
        constraints = (
            models.CheckConstraint(condition=models.Q(status__in=SagaStatus.values), name="saga_instance_status"),
        )
        indexes = (
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=["RUNNING", "WAITING", "COMPENSATING"]),
                name="saga_instance_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.saga_type} {self.subject} {self.status}"


class SagaStep(models.Model):
    """One attempt of one step, in one direction. Written as STARTED before the action is taken."""

    id = models.BigAutoField(primary_key=True)
    saga = models.ForeignKey(SagaInstance, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=60)
    position = models.SmallIntegerField()
    direction = models.CharField(max_length=4, choices=Direction)
    attempt = models.SmallIntegerField()
    idempotency_key = models.CharField(max_length=140, unique=True)
    status = models.CharField(max_length=8, choices=StepStatus)
    response = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "saga_step"
        verbose_name = "saga step"

    def __str__(self) -> str:
        return f"{self.name} {self.direction} {self.status}"
