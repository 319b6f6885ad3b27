"""What each way to pay demands, and what it gives the customer to pay with."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.sandbox_psp import boleto, pix
from tests.sandbox_psp.books import Books
from tests.sandbox_psp.messages import ChargeInput, Refusal, Status, decimal
from tests.sandbox_psp.plans import APPROVE, BRANDS, TOKENS, Plan, of_voucher

BANK = "999"
"""No Brazilian bank has this number: a boleto of this server checks, but no bank would take it."""
MERCHANT, CITY = "Loja Sandbox", "Sao Paulo"
PIX_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Prepared:
    plan: Plan
    good: Status
    """The status when all goes well."""
    client_data: dict[str, str]


def prepare(charge_id: str, order: ChargeInput, amount: int, *, books: Books, public_url: str) -> Prepared:
    """Check what ``order`` says for its method and return how it should go.

    Raises:
        Refusal: the part for the method is missing or wrong. Nothing was written.
    """
    settled: Status = "captured" if order.capture else "authorized"
    match order.method:
        case "card" | "debit_card":
            plan, client_data = _card(order, books)
            if plan.outcome == "action":
                client_data["redirect_url"] = f"{public_url}/3ds/{charge_id}"
            return Prepared(plan, settled, client_data)
        case "voucher":
            if order.voucher is None:
                raise Refusal(422, "missing_voucher", "a voucher charge needs voucher.code")
            return Prepared(of_voucher(order.voucher.code), settled, {})
        case "pix":
            return Prepared(APPROVE, "pending", _pix(charge_id, order, amount, public_url))
        case "boleto":
            return Prepared(APPROVE, "pending", _boleto(charge_id, order, amount))


def _card(order: ChargeInput, books: Books) -> tuple[Plan, dict[str, str]]:
    if order.card is None:
        raise Refusal(422, "missing_card", "a card charge needs card.token")
    if order.method == "debit_card" and order.card.installments > 1:
        raise Refusal(422, "invalid_installments", "a debit card pays at once")
    token = order.card.token
    brand, last4 = BRANDS.get(token, ("visa", "4242"))
    if token not in TOKENS:
        row = books.one("SELECT brand, last4, acts_as FROM card_tokens WHERE token = ?", token)
        if row is None:
            raise Refusal(422, "unknown_token", "there is no such card token")
        token, brand, last4 = row["acts_as"], row["brand"], row["last4"]
    return TOKENS[token], {"brand": brand, "last4": last4}


def _pix(charge_id: str, order: ChargeInput, amount: int, public_url: str) -> dict[str, str]:
    _demand_reais(order)
    expires_at = order.pix.expires_at if order.pix else None
    code = pix.dynamic_code(
        location=f"{public_url.partition('://')[2][:38]}/qr/{charge_id}",
        merchant=MERCHANT,
        city=CITY,
        amount=decimal(amount, order.currency),
    )
    return {
        "txid": (order.pix.txid if order.pix else "") or charge_id.replace("_", "").ljust(26, "0"),
        "br_code": code,
        "expires_at": (expires_at or datetime.now(UTC) + PIX_LIFETIME).isoformat(timespec="seconds"),
    }


def _boleto(charge_id: str, order: ChargeInput, amount: int) -> dict[str, str]:
    _demand_reais(order)
    if order.boleto is None:
        raise Refusal(422, "missing_boleto", "a boleto charge needs boleto.due_date, payer_name and payer_tax_id")
    free_field = f"{int(charge_id[3:], 16) % 10**25:025}"
    try:
        code = boleto.barcode(bank=BANK, due=order.boleto.due_date, cents=amount, free_field=free_field)
    except ValueError as error:
        raise Refusal(422, "invalid_boleto", str(error)) from error
    return {
        "linha_digitavel": boleto.typeable_line(code),
        "barcode": code,
        "due_date": order.boleto.due_date.isoformat(),
    }


def _demand_reais(order: ChargeInput) -> None:
    if order.currency != "BRL":
        raise Refusal(422, "invalid_currency", f"{order.method} is paid in reais")
