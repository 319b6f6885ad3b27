"""SMS through an HTTP provider.

``POST SMS_URL`` with a bearer token and ``{"to", "text", "reference"}``; ``Idempotency-Key`` repeats the reference.
A 2xx answer may hold ``{"id"}``. The message is refused by any other 4xx than 408, 425 and 429.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from django.conf import settings

from contexts.notification.adapters.channels import ChannelAdapter, Receipt, Refused, Session, Unreachable
from contexts.notification.domain import Outgoing
from ecommerce.observability import outgoing

TIMEOUT = httpx.Timeout(10, connect=5)
TEMPORARY = {408, 425, 429}


class SmsSession(Session):
    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def send(self, message: Outgoing) -> Receipt:
        body = {"to": message.recipient, "text": message.text.strip(), "reference": message.reference}
        try:
            with outgoing.request("sms", "POST", host=httpx.URL(settings.SMS_URL).host) as request:
                headers = {"Idempotency-Key": message.reference, **request.headers}
                answer = self._client.post(settings.SMS_URL, json=body, headers=headers)
                request.answered(answer.status_code)
        except httpx.HTTPError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        summary = f"{answer.status_code} {answer.text[:500]}"
        if answer.is_success:
            return Receipt(provider_id=_id_in(answer), response=summary)
        if answer.is_client_error and answer.status_code not in TEMPORARY:
            raise Refused(summary)
        raise Unreachable(summary)


class SmsChannel(ChannelAdapter):
    def is_configured(self) -> bool:
        return bool(settings.SMS_URL)

    @contextmanager
    def session(self) -> Iterator[SmsSession]:
        with httpx.Client(timeout=TIMEOUT, headers={"Authorization": f"Bearer {settings.SMS_TOKEN}"}) as client:
            yield SmsSession(client)


def _id_in(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    return str(body.get("id", ""))[:200] if isinstance(body, dict) else ""
