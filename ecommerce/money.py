"""Money: a decimal amount in one currency, always quantized to that currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

EXPONENTS = {"BRL": 2, "USD": 2, "EUR": 2, "JPY": 0}
"""Digits after the decimal point, ISO 4217."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount of one currency. On the wire: ``{"amount": "10.00", "currency": "BRL"}``.

    Raises:
        ValueError: the amount is not finite, has more digits than the currency, or the currency is unknown.
    """

    amount: Decimal
    currency: str = "BRL"

    def __post_init__(self) -> None:
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")
        amount = Decimal(self.amount)
        if not amount.is_finite():
            raise ValueError("an amount of money must be finite")
        quantized = amount.quantize(quantum(self.currency))
        if quantized != amount:
            raise ValueError(f"{amount} has more digits than {self.currency} allows")
        object.__setattr__(self, "amount", quantized)

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def __mul__(self, count: int) -> Money:
        return Money(self.amount * count, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        return not other < self

    def __gt__(self, other: Money) -> bool:
        return other < self

    def __ge__(self, other: Money) -> bool:
        return not self < other

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def percentage(self, percent: Decimal) -> Money:
        """Return ``percent`` hundredths of this amount, half a cent rounded to even."""
        share = self.amount * percent / 100
        return Money(share.quantize(quantum(self.currency), ROUND_HALF_EVEN), self.currency)

    def allocate(self, weights: Sequence[Decimal | int]) -> list[Money]:
        """Split this amount in proportion to ``weights`` so that the parts add up to it to the cent.

        The largest-remainder method; ties go to the earlier part. All-zero weights split evenly.

        Raises:
            ValueError: there is no weight, or one is negative.
        """
        if not weights or any(weight < 0 for weight in weights):
            raise ValueError("weights must be given and not negative")
        if not any(weights):
            weights = [1] * len(weights)
        unit = quantum(self.currency)
        units = int(self.amount / unit)
        sign = -1 if units < 0 else 1
        total = sum(Decimal(weight) for weight in weights)
        exact = [Decimal(abs(units)) * Decimal(weight) / total for weight in weights]
        parts = [int(share) for share in exact]
        missing = abs(units) - sum(parts)
        by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
        for index in by_remainder[:missing]:
            parts[index] += 1
        return [Money(sign * part * unit, self.currency) for part in parts]

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")


def quantum(currency: str) -> Decimal:
    """Return the smallest amount of ``currency``, such as 0.01."""
    return Decimal(1).scaleb(-EXPONENTS[currency])


def rounded(amount: Decimal, currency: str = "BRL") -> Money:
    """Return ``amount`` as money, half a cent rounded up (prices, interest)."""
    return Money(amount.quantize(quantum(currency), ROUND_HALF_UP), currency)


def total(amounts: Iterable[Money], currency: str = "BRL") -> Money:
    """Return the sum of ``amounts``; zero of ``currency`` when there are none."""
    return sum(amounts, start=Money(Decimal(0), currency))
