"""The saga tables. Every context's schema has a set of its own; always used with ``.using(alias)``."""

from django.db import models

from ecommerce.ids import new_id


class SagaStatus(models.TextChoices):
    RUNNING = "RUNNING", "em andamento"
    WAITING = "WAITING", "aguardando"
    COMPENSATING = "COMPENSATING", "desfazendo"
    COMPLETED = "COMPLETED", "concluída"
    COMPENSATED = "COMPENSATED", "desfeita"
    PARKED = "PARKED", "espera uma pessoa"


class StepStatus(models.TextChoices):
    STARTED = "STARTED", "começou"
    DONE = "DONE", "feito"
    FAILED = "FAILED", "falhou"
    UNKNOWN = "UNKNOWN", "resultado desconhecido"
    WAITING = "WAITING", "aguarda"
    PARKED = "PARKED", "espera uma pessoa"
    RETRY = "RETRY", "nova tentativa pedida"
    RESOLVED = "RESOLVED", "resolvido à mão"
    SKIPPED = "SKIPPED", "dispensado"


class Direction(models.TextChoices):
    DO = "DO", "ida"
    UNDO = "UNDO", "volta"


class SagaInstance(models.Model):
    """One saga. ``data`` is what its steps have learnt; ``due_at`` is when a worker should look at it again.

    ``attempt`` numbers everything that was tried; ``failures`` counts those of the step at hand in vain,
    ``crashes`` the workers that died during it. ``error`` is what made the saga turn back: without it, a parked saga
    stands still on its way forward. ``origin`` is the request that started it: correlation, trace and actor.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    saga_type = models.CharField("saga", max_length=60)
    definition_version = models.SmallIntegerField("versão")
    subject = models.UUIDField("objeto", db_index=True)
    status = models.CharField("situação", max_length=12, choices=SagaStatus)
    current_step = models.SmallIntegerField("passo")
    attempt = models.SmallIntegerField("tentativa", default=1)
    failures = models.SmallIntegerField("falhas", db_default=0)
    crashes = models.SmallIntegerField("quedas", db_default=0)
    data = models.JSONField("dados", default=dict)
    error = models.JSONField("motivo da volta", null=True, blank=True)
    to_undo = models.JSONField("por desfazer", db_default=[])
    parked = models.JSONField("esperam uma pessoa", db_default=[])
    signalled = models.BooleanField("sinalizada", db_default=False)
    origin = models.JSONField("origem", db_default={})
    due_at = models.DateTimeField("próxima execução", null=True, blank=True)
    lease_owner = models.UUIDField("em poder de", null=True, blank=True)
    created_at = models.DateTimeField("criada em")
    updated_at = models.DateTimeField("mudou em")

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
            models.Index(fields=["saga_type"], condition=models.Q(status="PARKED"), name="saga_instance_parked"),
        )

    def __str__(self) -> str:
        return f"{self.saga_type} {self.subject} {self.status}"


class SagaStep(models.Model):
    """One attempt of one step, in one direction, written as STARTED before the action is taken; or a person's decision
    about the step, with ``actor`` and ``note`` in ``response``. ``ran_by`` is the process, or that person."""

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
    ran_by = models.CharField(max_length=200, db_default="")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "saga_step"
        verbose_name = "saga step"

    def __str__(self) -> str:
        return f"{self.name} {self.direction} {self.status}"
