"""Boleto and Pix: the numbers against published ones, and how such charges are paid."""

from datetime import date
from uuid import uuid4

import httpx
import pytest

from tests.sandbox_psp import boleto, pix
from tests.sandbox_psp.testing import Receiver, charge

DUE = "2027-01-15"
PAYER = {"due_date": DUE, "payer_name": "Ana Souza", "payer_tax_id": "39053344705"}


@pytest.mark.parametrize(
    ("day", "factor"),
    [
        (date(2000, 7, 3), 1000),  # Banco do Brasil and Caixa manuals
        (date(2002, 5, 1), 1667),
        (date(2010, 11, 17), 4789),
        (date(2014, 3, 12), 6000),  # BoletoNet, FatorVencimento tests
        (date(2017, 1, 21), 7046),
        (date(2025, 2, 21), 9999),
        (date(2025, 2, 22), 1000),
        (date(2025, 2, 23), 1001),
        (date(2036, 2, 5), 5000),  # brazilian-utils, get-boleto-info tests
        (date(2049, 10, 13), 9999),
        (date(2049, 10, 14), 1000),
    ],
)
def test_due_factors_of_both_epochs(day: date, factor: int) -> None:
    assert boleto.due_factor(day) == factor


def test_no_boleto_was_due_before_the_first_factor() -> None:
    with pytest.raises(ValueError, match="2000-07-03"):
        boleto.due_factor(date(2000, 7, 2))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        # BoletoNet, BancoC6 tests
        ("33691823600000420000000000000010000113522213", "33690000090000001000901135222139182360000042000"),
        ("33691869600000456120000000000020000000002243", "33690000090000002000800000022434186960000045612"),
        # boleto-utils tests (Caixa)
        ("10499898100000214032006561000100040099726390", "10492006506100010004200997263900989810000021403"),
        # Ewally exercise
        ("21299758700000020000001121100012100447561740", "21290001192110001210904475617405975870000002000"),
    ],
)
def test_published_barcodes_give_their_published_lines(code: str, line: str) -> None:
    assert boleto.typeable_line(code) == line
    assert boleto.general_check_digit(code[:4] + code[5:]) == int(code[4])


@pytest.mark.parametrize(
    ("due", "line"),
    [
        # brazilian-utils, get-boleto-info tests: Banco do Brasil, R$ 1,026.56, both epochs
        (date(2018, 7, 15), "00190000090114971860168524522114675860000102656"),
        (date(2018, 9, 21), "00190000090114971860168524522114576540000102656"),
        (date(2022, 5, 28), "00190000090114971860168524522114489990000102656"),
        (date(2025, 2, 21), "00190000090114971860168524522114799990000102656"),
        (date(2025, 2, 22), "00190000090114971860168524522114210000000102656"),
        (date(2025, 2, 23), "00190000090114971860168524522114810010000102656"),
        (date(2036, 2, 5), "00190000090114971860168524522114350000000102656"),
    ],
)
def test_boletos_are_made_as_published(due: date, line: str) -> None:
    free_field = line[4:9] + line[10:20] + line[21:31]

    code = boleto.barcode(bank="001", due=due, cents=102_656, free_field=free_field)

    assert boleto.typeable_line(code) == line


@pytest.mark.parametrize("digits", ["0" * 43, "1" + "0" * 42])
def test_the_general_check_digit_is_never_zero(digits: str) -> None:
    assert boleto.general_check_digit(digits) in range(1, 10)


@pytest.mark.parametrize(("text", "crc"), [("123456789", "29B1"), ("", "FFFF")])
def test_crc16_is_ccitt_false(text: str, crc: str) -> None:
    assert pix.crc16(text) == crc


def test_br_codes_are_those_of_the_manual_of_the_central_bank() -> None:
    static = pix.static_code(key="123e4567-e12b-12d1-a456-426655440000", merchant="Fulano de Tal", city="BRASILIA")
    location = "pix.example.com/8b3da2f39a4140d1a91abd93113bd441"
    dynamic = pix.dynamic_code(location=location, merchant="Fulano de Tal", city="BRASILIA")

    tail = "5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***6304"
    assert static == f"00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-426655440000{tail}1D3D"
    assert dynamic == f"00020101021226700014br.gov.bcb.pix2548{location}{tail}64E4"


def test_a_boleto_waits_until_it_is_paid(psp: httpx.Client, receiver: Receiver) -> None:
    body = charge(psp, method="boleto", boleto=PAYER, amount="1234.56", webhook_url=receiver.url).json()

    code, line = body["client_data"]["barcode"], body["client_data"]["linha_digitavel"]
    assert (body["status"], body["captured"], body["client_data"]["due_date"]) == ("pending", "0.00", DUE)
    assert (len(code), len(line), code[9:19]) == (44, 47, "0000123456")
    assert code[5:9] == str(boleto.due_factor(date.fromisoformat(DUE)))
    assert int(code[4]) == boleto.general_check_digit(code[:4] + code[5:])
    assert boleto.typeable_line(code) == line

    paid = psp.post(f"/control/charges/{body['id']}/pay").json()

    assert (paid["status"], paid["captured"]) == ("captured", "1234.56")
    assert receiver.wait_for(1)[0].event["type"] == "charge.captured"


def test_a_pix_carries_our_txid_and_a_br_code_that_checks(psp: httpx.Client) -> None:
    txid = uuid4().hex
    expires_at = "2027-01-15T12:30:00-03:00"

    body = charge(psp, method="pix", amount="10.50", pix={"txid": txid, "expires_at": expires_at}).json()

    data = body["client_data"]
    assert (body["status"], data["txid"], data["expires_at"]) == ("pending", txid, expires_at)
    assert data["br_code"][-4:] == pix.crc16(data["br_code"][:-4])
    assert "540510.50" in data["br_code"]
    assert f"/qr/{body['id']}" in data["br_code"]


def test_money_may_arrive_after_expiry_when_forced(psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, method="pix", webhook_url=receiver.url).json()["id"]
    psp.post(f"/control/charges/{charge_id}/expire")

    refused = psp.post(f"/control/charges/{charge_id}/pay")
    forced = psp.post(f"/control/charges/{charge_id}/pay", json={"force": True})

    assert (refused.status_code, forced.json()["status"]) == (409, "captured")
    types = [webhook.event["type"] for webhook in receiver.wait_for(2)]
    assert types == ["charge.expired", "charge.captured"]


def test_all_pending_charges_can_be_paid_together(psp: httpx.Client) -> None:
    psp.post("/control/pay-all-pending")
    pixes = [charge(psp, method="pix").json()["id"] for _ in range(3)]
    slip = charge(psp, method="boleto", boleto=PAYER).json()["id"]

    assert psp.post("/control/pay-all-pending", json={"method": "pix"}).json() == {"paid": 3}
    statuses = [psp.get(f"/v1/charges/{charge_id}").json()["status"] for charge_id in [*pixes, slip]]
    assert statuses == ["captured"] * 3 + ["pending"]
