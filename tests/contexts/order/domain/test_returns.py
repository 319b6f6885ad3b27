from datetime import UTC, date, datetime

import pytest

from contexts.order.domain.returns import (
    IllegalReturn,
    Reason,
    ReturnStatus,
    WithdrawalTooLate,
    check_return,
    check_withdrawal,
    first_status,
    gives_freight_back,
    withdrawal_until,
)


@pytest.mark.parametrize(
    ("delivered", "last"),
    [
        (datetime(2026, 11, 9, 15, tzinfo=UTC), date(2026, 11, 16)),
        (datetime(2026, 11, 10, 2, tzinfo=UTC), date(2026, 11, 16)),
        (datetime(2026, 11, 13, 15, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 11, 14, 15, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 12, 18, 15, tzinfo=UTC), date(2026, 12, 28)),
    ],
    ids=["a Monday", "still Monday in Brasília", "ends on a holiday before a weekend", "a weekend", "Christmas"],
)
def test_the_day_of_arrival_does_not_count_and_holidays_extend_the_term(delivered, last):
    assert withdrawal_until(delivered) == last


def test_one_may_withdraw_until_the_end_of_the_last_day():
    delivered = datetime(2026, 11, 9, 15, tzinfo=UTC)
    check_withdrawal(delivered, now=datetime(2026, 11, 17, 2, 59, tzinfo=UTC))
    with pytest.raises(WithdrawalTooLate) as refused:
        check_withdrawal(delivered, now=datetime(2026, 11, 17, 3, tzinfo=UTC))
    assert refused.value.params == {"until": "2026-11-16"}


def test_the_term_has_not_begun_before_everything_is_there():
    check_withdrawal(None, now=datetime(2030, 1, 1, tzinfo=UTC))


def test_only_a_withdrawal_asks_nobody_and_only_a_whim_keeps_the_freight():
    assert {reason for reason in Reason if first_status(reason) == ReturnStatus.APPROVED} == {Reason.WITHDRAWAL}
    assert {reason for reason in Reason if not gives_freight_back(reason)} == {Reason.OTHER}


ALLOWED = {
    ("requested", "approved"), ("requested", "refused"), ("requested", "refunded"), ("requested", "closed"),
    ("approved", "approved"), ("approved", "received"), ("approved", "refused"), ("approved", "refunded"),
    ("approved", "closed"), ("received", "refused"), ("received", "refunded"), ("received", "closed"),
}  # fmt: skip


@pytest.mark.parametrize("old", ReturnStatus)
@pytest.mark.parametrize("new", ReturnStatus)
def test_what_has_ended_stays_so_and_nothing_is_received_unasked(old, new):
    if (old.value, new.value) in ALLOWED:
        check_return(old, new)
    else:
        with pytest.raises(IllegalReturn):
            check_return(old, new)
