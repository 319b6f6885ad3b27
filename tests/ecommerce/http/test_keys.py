import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from allauth.core.internal import jwkkit
from django.conf import settings
from django.test import Client
from jwt import PyJWKSet

from ecommerce.http import keys


def test_a_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key.pem"

    first = keys.load_or_create(path)

    assert keys.load_or_create(path) == first
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key.pem"]


def test_threads_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: keys.load_or_create(tmp_path / "key.pem"), range(4)))

    assert len(made) == 1


def test_the_key_id_is_the_one_that_allauth_writes_into_tokens() -> None:
    jwk, _ = jwkkit.load_jwk_from_pem(settings.JWT_PRIVATE_KEY)

    assert list(keys.public_keys(settings.JWT_PRIVATE_KEY)) == [jwk["kid"]]


def test_keys_of_other_signers_are_accepted_beside_our_own(tmp_path: Path) -> None:
    old = keys.public_pem(keys.load_or_create(tmp_path / "old.pem"))
    older = keys.public_pem(keys.load_or_create(tmp_path / "older.pem"))

    known = keys.public_keys(settings.JWT_PRIVATE_KEY, old + older)

    assert list(known) == [keys.thumbprint(pem) for pem in (keys.public_pem(settings.JWT_PRIVATE_KEY), old, older)]
    assert keys.public_keys("", old) == {keys.thumbprint(old): old}
    assert keys.public_keys("", "") == {}


def test_the_published_key_set_can_be_read_by_others(client: Client) -> None:
    response = client.get("/.well-known/jwks.json")

    assert [key.key_id for key in PyJWKSet.from_dict(response.json()).keys] == list(settings.JWT_PUBLIC_KEYS)
    assert "max-age" in response.headers["Cache-Control"]
    assert not {"d", "p", "q"} & set(response.json()["keys"][0])
