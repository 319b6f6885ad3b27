"""The codes that a gateway gives to pay by: they are looked at before a buyer is shown one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import structlog
from django.conf import settings

from contexts.order.domain import banking_days, boleto, br_code
from contexts.order.models import PaymentAttempt
from ecommerce.errors import Conflict

CODES = frozenset({"br_code", "txid", "barcode", "linha_digitavel", "due_date"})

log = structlog.get_logger(__name__)


class PaymentCodeRefused(Conflict):
    """The gateway gave a code that is damaged, or that asks for something else than we did."""

    code = "payment_code_refused"


def check_codes(*, attempt: PaymentAttempt, client_data: Mapping[str, str]) -> None:
    """Check what an attempt is to be paid by: check digits, amount, due date, and the transaction id that we chose.

    Raises:
        PaymentCodeRefused
    """
    try:
        _check_pix(attempt, client_data)
        _check_boleto(attempt, client_data)
    except ValueError as problem:
        log.error("payment_code_refused", gateway=attempt.gateway, attempt=str(attempt.id), problem=str(problem))
        raise PaymentCodeRefused("O código de pagamento veio errado do gateway; nada foi cobrado.") from problem


def without_foreign_codes(*, attempt: PaymentAttempt, client_data: Mapping[str, str]) -> dict[str, str]:
    """Return what the gateway gives to pay by, without codes that are not those of the attempt."""
    try:
        check_codes(attempt=attempt, client_data=client_data)
    except PaymentCodeRefused:
        return {name: value for name, value in client_data.items() if name not in CODES}
    return dict(client_data)


def _check_pix(attempt: PaymentAttempt, said: Mapping[str, str]) -> None:
    if said.get("txid", attempt.id.hex) != attempt.id.hex:
        raise ValueError(f"the Pix has the transaction id {said['txid']}")
    if "br_code" in said:
        br_code.check(said["br_code"], amount=attempt.charged)


def _check_boleto(attempt: PaymentAttempt, said: Mapping[str, str]) -> None:
    if "barcode" not in said and "linha_digitavel" not in said:
        return
    code, line = said.get("barcode", ""), said.get("linha_digitavel", "")
    due = banking_days.day_of(attempt.created_at + settings.BOLETO_DUE)
    if "due_date" in said and date.fromisoformat(said["due_date"]) != due:
        raise ValueError(f"the boleto is due on {said['due_date']} and not on {due}")
    boleto.check(code=code or line, line=line or boleto.typeable_line(code), amount=attempt.charged, due=due)
