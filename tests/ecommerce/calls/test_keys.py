from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from ecommerce.calls import keys
from ecommerce.calls.keys import ServiceKeys, configured, create, new_private_pem, public_pem


def test_every_service_has_a_key_of_its_own_and_the_public_keys_of_all(tmp_path: Path) -> None:
    create(tmp_path, ["cart", "order"])
    cart, order = ServiceKeys(tmp_path / "cart"), ServiceKeys(tmp_path / "order")

    assert cart.signing().kid != order.signing().kid
    assert order.verifying("cart", cart.signing().kid)
    assert order.verifying("order", cart.signing().kid) is None, "cart cannot sign as order"


def test_making_keys_again_changes_nothing(tmp_path: Path) -> None:
    made = create(tmp_path, ["cart", "order"])

    assert len(made) == 6
    assert create(tmp_path, ["cart", "order"]) == []


def test_keys_that_two_make_at_once_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate, both = keys.new_private_pem, threading.Barrier(2)

    def generate_together() -> str:
        both.wait(timeout=10)
        return generate()

    monkeypatch.setattr(keys, "new_private_pem", generate_together)
    with ThreadPoolExecutor(2) as pool:
        made = [each.result() for each in [pool.submit(keys.create, tmp_path, ["cart"]) for _ in range(2)]]

    assert sorted(path.name for one in made for path in one) == ["cart.pub.pem", "private.pem"]
    private = (tmp_path / "cart" / "private.pem").read_text()
    assert (tmp_path / "cart" / "cart.pub.pem").read_text() == keys.public_pem(private)
    assert len(list((tmp_path / "cart").iterdir())) == 2


def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    create(tmp_path, ["cart"])

    assert stat.S_IMODE((tmp_path / "cart" / "private.pem").stat().st_mode) == 0o600


def test_a_key_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    """As a mounted secret is replaced: by a link to another directory."""
    for name in ("one", "two"):
        create(tmp_path / name, ["cart"])
    mounted = tmp_path / "mounted"
    mounted.symlink_to(tmp_path / "one" / "cart")
    keys = ServiceKeys(mounted)
    before = keys.signing().kid
    mounted.unlink()
    mounted.symlink_to(tmp_path / "two" / "cart")

    assert keys.signing(anew=True).kid != before


def test_several_public_keys_of_one_issuer_count(tmp_path: Path) -> None:
    create(tmp_path, ["cart"])
    keys, other = ServiceKeys(tmp_path / "cart"), new_private_pem()
    file = tmp_path / "cart" / "cart.pub.pem"
    first = keys.signing().kid
    file.write_text(f"{file.read_text()}\n{public_pem(other)}")
    (tmp_path / "cart" / "private.pem").write_text(other)
    second = keys.signing(anew=True).kid

    assert keys.verifying("cart", first)
    assert keys.verifying("cart", second)


def test_a_service_that_calls_nobody_needs_no_private_key(tmp_path: Path) -> None:
    create(tmp_path, ["cart"])
    (tmp_path / "cart" / "private.pem").unlink()

    with pytest.raises(ImproperlyConfigured, match=r"private\.pem is missing"):
        ServiceKeys(tmp_path / "cart").signing()


@pytest.mark.parametrize("text", ["", "no key"])
def test_a_broken_key_stops_the_start(tmp_path: Path, text: str, settings: object) -> None:
    (tmp_path / "private.pem").write_text(text)
    settings.SERVICE_KEYS_DIR = str(tmp_path)  # type: ignore[attr-defined]

    with pytest.raises(ImproperlyConfigured, match="SERVICE_KEYS_DIR"):
        configured()


def test_a_command_makes_the_keys(tmp_path: Path) -> None:
    out = StringIO()
    call_command("service_keys", str(tmp_path), "cart+promotion", "order", stdout=out)

    assert len(out.getvalue().splitlines()) == 6
    assert (tmp_path / "order" / "cart+promotion.pub.pem").exists()
    with pytest.raises(CommandError, match="carts"):
        call_command("service_keys", str(tmp_path), "carts")
