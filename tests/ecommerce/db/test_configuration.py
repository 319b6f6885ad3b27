from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from ecommerce.db.configuration import (
    NoAdministrator,
    administrator_of,
    broker_database,
    connection_parameters,
    databases,
    one_database_each,
    role_password,
)
from ecommerce.db.embedded import locate
from ecommerce.topology import Topology

PORTS = {"identity": 1, "catalog": 2, "cart": 3}
ADMINISTRATOR = "postgresql://boss:b%40ss@db.example:6432/shop?sslmode=require"


@pytest.fixture
def configure(tmp_path: Path) -> Any:
    def configure(**env: str) -> dict[str, dict[str, Any]]:
        return databases(Topology.from_environment(env, PORTS), env=env, var_dir=tmp_path)

    return configure


def test_default_is_empty_so_that_queries_without_an_alias_fail(configure: Any) -> None:
    assert configure()["default"] == {}


def test_only_local_contexts_have_an_alias(configure: Any) -> None:
    assert set(configure(CONTEXTS="catalog")) == {"default", "catalog"}


def test_without_any_url_everybody_uses_the_embedded_server(configure: Any, tmp_path: Path) -> None:
    catalog = configure()["catalog"]

    assert (catalog["HOST"], catalog["NAME"]) == (str(locate(tmp_path, {}).sockets), "ecommerce")
    assert (catalog["USER"], catalog["SCHEMA"], catalog["PASSWORD"]) == ("catalog_service", "catalog_service", "")
    assert administrator_of(catalog, dbname="x")["user"] == "postgres"


def test_the_administrators_url_gives_every_context_a_role_with_a_derived_password(configure: Any) -> None:
    configured = configure(DATABASE_URL=ADMINISTRATOR, SECRET_KEY="s")
    catalog, cart = configured["catalog"], configured["cart"]

    assert (catalog["HOST"], catalog["PORT"], catalog["NAME"]) == ("db.example", "6432", "shop")
    assert catalog["OPTIONS"]["sslmode"] == "require"
    assert (catalog["USER"], cart["USER"]) == ("catalog_service", "cart_service")
    assert len({catalog["PASSWORD"], cart["PASSWORD"], "", "b@ss"}) == 4


def test_the_administrator_keeps_the_credentials_of_the_url(configure: Any) -> None:
    catalog = configure(DATABASE_URL=ADMINISTRATOR)["catalog"]

    parameters = administrator_of(catalog, dbname="postgres")

    assert (parameters["user"], parameters["password"], parameters["dbname"]) == ("boss", "b@ss", "postgres")
    assert parameters["sslmode"] == "require"


@pytest.mark.parametrize("path", ["", "/", "/postgres"])
def test_a_url_of_a_whole_server_means_our_own_database_in_it(configure: Any, path: str) -> None:
    assert configure(DATABASE_URL=f"postgres://boss@db.example{path}")["cart"]["NAME"] == "ecommerce"


def test_role_passwords_depend_on_role_and_secret_and_have_their_own_secret_if_wanted() -> None:
    derived = role_password("cart_service", {"SECRET_KEY": "s"})

    assert derived == role_password("cart_service", {"SECRET_KEY": "other", "DATABASE_ROLE_SECRET": "s"})
    assert derived != role_password("cart_service", {"SECRET_KEY": "t"})
    assert derived != role_password("catalog_service", {"SECRET_KEY": "s"})
    assert role_password("cart_service", {}) == ""


def test_a_contexts_own_url_is_used_as_it_is(configure: Any) -> None:
    cart = configure(CART_DATABASE_URL="postgresql://basket:pw@other.example/baskets", DATABASE_URL=ADMINISTRATOR)[
        "cart"
    ]

    assert (cart["HOST"], cart["NAME"], cart["USER"], cart["PASSWORD"]) == ("other.example", "baskets", "basket", "pw")
    assert cart["SCHEMA"] == "cart_service"


def test_a_context_on_a_foreign_server_has_no_administrator_until_one_is_named(configure: Any) -> None:
    url = "postgresql://basket:pw@other.example/baskets"
    cart = configure(CART_DATABASE_URL=url, DATABASE_URL=ADMINISTRATOR)["cart"]
    with pytest.raises(NoAdministrator, match="ADMINISTRATOR_URL"):
        administrator_of(cart, dbname="postgres")

    cart = configure(CART_DATABASE_URL=url, CART_ADMINISTRATOR_URL="postgresql://root@other.example")["cart"]

    assert administrator_of(cart, dbname="postgres")["user"] == "root"


def test_a_contexts_own_database_on_the_administrators_server_is_administered_by_it(configure: Any) -> None:
    cart = configure(
        CART_DATABASE_URL="postgresql://db.example:6432/baskets", DATABASE_URL=ADMINISTRATOR, SECRET_KEY="s"
    )["cart"]

    assert administrator_of(cart, dbname="postgres")["user"] == "boss"
    assert (cart["USER"], cart["PASSWORD"]) == ("cart_service", role_password("cart_service", {"SECRET_KEY": "s"}))


def test_several_databases_in_the_embedded_server(configure: Any, tmp_path: Path) -> None:
    socket = locate(tmp_path, {}).sockets
    cart = configure(CART_DATABASE_URL=f"postgresql:///baskets?host={socket}")["cart"]

    assert (cart["NAME"], cart["USER"]) == ("baskets", "cart_service")
    assert administrator_of(cart, dbname="postgres")["user"] == "postgres"


def test_an_unreadable_url_names_its_variable_and_not_its_password(configure: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="CART_DATABASE_URL") as caught:
        configure(CART_DATABASE_URL="mysql://root:hunter2@db/x")

    assert "hunter2" not in str(caught.value)


def test_connections_are_pooled_and_opened_on_demand(configure: Any) -> None:
    cart = configure()["cart"]

    assert cart["OPTIONS"]["pool"]["min_size"] == 0
    assert cart["CONN_MAX_AGE"] == 0
    assert "pool" not in connection_parameters(cart)


def test_a_pool_whose_connections_fail_begins_anew_before_the_next_caller_gives_up(configure: Any) -> None:
    pool = configure()["cart"]["OPTIONS"]["pool"]
    assert pool["reconnect_timeout"] < pool["timeout"], "its pauses double until then, to minutes with the default"


def test_the_queues_live_with_the_contexts_unless_the_url_says_otherwise(configure: Any, tmp_path: Path) -> None:
    env = {"DATABASE_URL": ADMINISTRATOR}
    configured = configure(**env)

    beside = broker_database(configured, env=env, var_dir=tmp_path, broker_url="pgmq://")
    apart = broker_database(configured, env=env, var_dir=tmp_path, broker_url="pgmq://q:pw@queues.example/q")

    assert (beside["HOST"], beside["NAME"], beside["USER"]) == ("db.example", "shop", "broker_service")
    assert {configured[alias]["NAME"] for alias in beside["SHARED_WITH"]} == {"shop"}
    assert (apart["HOST"], apart["NAME"], apart["USER"], apart["SHARED_WITH"]) == ("queues.example", "q", "q", [])


def test_another_broker_has_no_database(configure: Any, tmp_path: Path) -> None:
    assert broker_database(configure(), env={}, var_dir=tmp_path, broker_url="amqp://guest@rabbit") == {}


def test_every_context_may_have_a_database_of_its_own_on_the_embedded_server(tmp_path: Path) -> None:
    topology = Topology.from_environment({}, PORTS)
    urls = one_database_each({"BROKER_URL": "pgmq://"}, topology, var_dir=tmp_path)

    configured = databases(topology, env=urls, var_dir=tmp_path)
    queues = broker_database(configured, env=urls, var_dir=tmp_path, broker_url="pgmq://")
    assert {name: each["NAME"] for name, each in configured.items() if each} == {name: f"{name}_db" for name in PORTS}
    assert (queues["NAME"], queues["USER"], queues["SHARED_WITH"]) == ("queues_db", "broker_service", [])
    assert {each["HOST"] for each in (*configured.values(), queues) if each} == {str(locate(tmp_path, {}).sockets)}
    assert administrator_of(queues, dbname="x")["user"] == "postgres"


def test_databases_of_their_own_on_another_server_carry_no_administrator_and_no_password(tmp_path: Path) -> None:
    topology = Topology.from_environment({}, PORTS)
    env = {"DATABASE_URL": ADMINISTRATOR, "SECRET_KEY": "s", "BROKER_URL": "amqp://rabbit"}
    urls = one_database_each(env, topology, var_dir=tmp_path)

    assert set(urls) == {f"{name.upper()}_DATABASE_URL" for name in PORTS}
    assert not [url for url in urls.values() if "b%40ss" in url or "boss" in url]
    told = databases(topology, env={**urls, "SECRET_KEY": "s"}, var_dir=tmp_path)["cart"]
    assert (told["NAME"], told["OPTIONS"]["sslmode"], told["ADMINISTRATOR"]) == ("shop_cart_db", "require", {})
    assert told["PASSWORD"] == role_password("cart_service", {"SECRET_KEY": "s"})


def test_a_database_that_is_named_stays(tmp_path: Path) -> None:
    env = {"CART_DATABASE_URL": "postgresql://me@elsewhere/mine", "BROKER_URL": "pgmq://"}
    urls = one_database_each(env, Topology.from_environment({}, PORTS), var_dir=tmp_path)

    assert urls["CART_DATABASE_URL"] == env["CART_DATABASE_URL"]
