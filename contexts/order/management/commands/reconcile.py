"""``manage.py reconcile``: the gateways' books against ours, now."""

import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from contexts.order.adapters.routing import CLASSES
from contexts.order.usecases.cases import open_cases_of_webhooks, show_open_cases
from contexts.order.usecases.reconcile import Report, gateways_in_use, reconcile
from ecommerce import clock

DIFFERENT, SILENT = 1, 2
"""Exit codes."""


class Command(BaseCommand):
    help = (
        "Compare the gateways' books with our ledger, in both directions. Differences seen twice become cases. "
        "Exit code 0: nothing differs that was not settled; 1: something does; 2: a gateway did not answer: the rest "
        "is not known."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--gateway", action="append", choices=sorted(CLASSES), help="only this; may be repeated")
        parser.add_argument("--hours", type=float, default=26.0, help="how far back (default: %(default)s)")

    def handle(self, *args: Any, gateway: list[str] | None, hours: float, **options: Any) -> None:
        now = clock.now()
        since = now - timedelta(hours=hours)
        given_up = open_cases_of_webhooks(now=now)
        reports = [
            reconcile(gateway=name, since=since, until=now, now=now) for name in gateway or gateways_in_use(since=since)
        ]
        for report in reports:
            self._show(report)
        if given_up:
            self.stdout.write(f"{given_up} webhooks were given up: a case each")
        self.stdout.write(f"open cases: {sum(show_open_cases().values())}")
        if not all(report.complete for report in reports):
            sys.exit(SILENT)
        if any(report.findings for report in reports):
            sys.exit(DIFFERENT)

    def _show(self, report: Report) -> None:
        self.stdout.write(f"{report.gateway}, {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC")
        for found in report.findings:
            said = "; ".join(
                f"{side}: {', '.join(f'{name} {value}' for name, value in facts.items() if value)}"
                for side, facts in found.facts.items()
                if facts
            )
            self.stdout.write(f"  {found.kind.value} {found.reference}: {found.amount} ({said})")
        self.stdout.write(
            f"  {report.charges} charges in its books, {report.entries} in ours; {len(report.findings)} differ, "
            f"{report.open} of them cases, {report.opened} new; {report.settled} were settled before, "
            f"{report.healed} were news that we had missed"
        )
        if not report.complete:
            self.stdout.write("  the gateway did not answer: this is not all")
