"""What the run shows while it goes on: bars on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_SECONDS = 10.0


class Phase:
    """A part of the run; ``advance`` may be called by any thread."""

    def __init__(self, name: str, total: int | None, display: Display) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self._display = display
        self._lock = threading.Lock()

    def advance(self, count: int = 1) -> None:
        with self._lock:
            self.done += count
        self._display.show(self)

    def say(self, text: str) -> None:
        """Show what is being waited for."""
        self._display.show(self, text)


class Display:
    """Shows one phase after the other and keeps how long each took."""

    def __init__(self, console: Console) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._shown_at = time.monotonic()
        if console.is_terminal:
            columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, TextColumn("{task.fields[text]}"), console=console)

    def running(self) -> AbstractContextManager[object]:
        return self._bars or nullcontext()

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Phase]:
        """Show a phase for the length of the block; ``total`` is how often it will advance."""
        started = time.monotonic()
        phase = Phase(name, total, self)
        if self._bars:
            self._task = self._bars.add_task(name, total=total, text="")
        try:
            yield phase
        finally:
            self.seconds[name] = round(time.monotonic() - started, 1)
        if self._bars and self._task is not None:
            self._bars.update(self._task, total=phase.done or 1, completed=phase.done or 1, text="")
        else:
            self._print(phase, f"done in {self.seconds[name]} s")

    def show(self, phase: Phase, text: str = "") -> None:
        if self._bars and self._task is not None:
            self._bars.update(self._task, completed=phase.done, text=text)
        elif time.monotonic() - self._shown_at >= LINE_SECONDS:
            self._print(phase, text)

    def _print(self, phase: Phase, text: str) -> None:
        self._shown_at = time.monotonic()
        count = f"{phase.done}/{phase.total}" if phase.total else f"{phase.done}" if phase.done else ""
        self._console.print(f"{phase.name:<22}{count:>11}  {text}".rstrip(), highlight=False, soft_wrap=True)
