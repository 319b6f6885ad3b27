"""Jobs of identity."""

from typing import Any

from celery import shared_task

from contexts.identity import usecases
from contexts.identity.adapters import mail
from ecommerce.clock import now


@shared_task(name="identity.clear_sessions")
def clear_sessions() -> None:
    """Delete expired sessions; once a day is enough."""
    usecases.clear_expired_sessions(now=now())


@shared_task(
    name=mail.TASK,
    autoretry_for=(OSError,),
    retry_backoff=5,
    retry_backoff_max=3600,
    retry_jitter=True,
    max_retries=12,
)
def send_mail(**letter: Any) -> None:
    """Send one account mail; a mail server out of reach is tried again for some hours."""
    mail.deliver(**letter)
