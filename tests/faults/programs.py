"""``python -m tests.faults.programs run_services …``: prepare what that command of ``manage.py`` would run, and tell it
instead of running it: one program a line, its name, its command and its environment. Whoever reads that starts each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import astuple

import django
from django.core.management import call_command

from config.running import Program


def tell(programs: Iterable[Program], *, announce: Callable[[], None]) -> int:
    for program in programs:
        print(json.dumps(astuple(program)))
    return 0


def main() -> None:
    django.setup()
    from config.management.commands import run_services

    run_services.supervise = tell
    call_command(*sys.argv[1:])


if __name__ == "__main__":
    main()
