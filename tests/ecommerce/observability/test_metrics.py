import os
import subprocess
import sys
from pathlib import Path

from ecommerce.observability import metrics

COUNT_AND_EXIT = """
from ecommerce.observability import metrics
metrics.OUTBOX_PROCESSED.labels("order", "order.placed.v1", "published").inc({amount})
metrics.OUTBOX_EVENTS.labels("order", "pending").set({amount})
"""
SCRAPE = "from ecommerce.observability import metrics; print(metrics.exposition().decode())"


def run(code: str, directory: Path) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_processes_that_share_a_directory_are_added_up(tmp_path: Path) -> None:
    for amount in (2, 3):
        run(COUNT_AND_EXIT.format(amount=amount), tmp_path)

    scraped = run(SCRAPE, tmp_path)

    line = 'outbox_events_processed_total{event_type="order.placed.v1",service="order",status="published"} 5.0'
    assert line in scraped
    assert 'outbox_events{service="order",status="pending"} 3.0' in scraped


def test_files_of_processes_that_are_gone_are_removed(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "metrics"
    metrics.clear_directory(directory)
    run(COUNT_AND_EXIT.format(amount=1), directory)
    (directory / "note.txt").touch()

    metrics.clear_directory(directory)

    assert [file.name for file in directory.iterdir()] == ["note.txt"]


def test_alone_a_process_counts_for_itself() -> None:
    metrics.OUTBOX_PROCESSED.labels("cart", "cart.abandoned.v1", "failed").inc()

    line = b'outbox_events_processed_total{event_type="cart.abandoned.v1",service="cart",status="failed"}'
    assert line in metrics.exposition()
