"""What tells the relays of a commit goes on after failures, and in forked processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from ecommerce.db.configuration import connection_parameters
from ecommerce.outbox.wake import channel, wake

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


@pytest.fixture
def listener(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**connection_parameters(connections["order"].settings_dict), autocommit=True) as connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel("order"))))
        yield connection


def hears(listener: psycopg.Connection[Any]) -> bool:
    return bool(list(listener.notifies(timeout=10, stop_after=1)))


def test_whatever_fails_the_next_commit_is_told(listener: psycopg.Connection[Any]) -> None:
    for _ in range(2):  # in the first round both may have been one batch, told in any order
        wake("unknown")
        wake("order")
        assert hears(listener)


def wake_in_child(heard: Event) -> None:
    wake("order")
    heard.wait(timeout=20)


def test_a_forked_process_tells_of_its_commits_too(listener: psycopg.Connection[Any]) -> None:
    wake("order")
    assert hears(listener)
    context = multiprocessing.get_context("fork")
    heard = context.Event()
    child = context.Process(target=wake_in_child, args=[heard])
    child.start()
    try:
        assert hears(listener)
    finally:
        heard.set()
        child.join(timeout=30)
