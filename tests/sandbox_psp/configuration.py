"""The flags of the server; each is also an environment variable, ``SANDBOX_PSP_`` and its name."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PREFIX = "SANDBOX_PSP_"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    host: str
    port: int
    data: Path
    """The directory of the books."""
    public_url: str
    """Where browsers reach this server; 3-D Secure redirects start with it."""
    api_key: str
    publishable_key: str
    """Good for card tokens only, so that a browser may hold it."""
    webhook_secret: str
    webhook_url: str
    """Where webhooks go when a charge names no address; empty: nowhere."""
    webhook_all: bool
    """Also send webhooks for what was answered synchronously."""
    threads: int
    hang_seconds: float
    """How long a charge that "never answers" keeps the connection."""
    control_open: bool
    """Serve the control page and API to other machines too."""


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Configuration:
    """Return the configuration; prints the usage and exits on a wrong flag."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox_psp", description="The sandbox payment server.")

    def option(name: str, default: str, text: str, type_: type = str) -> None:
        variable = PREFIX + name.upper().replace("-", "_")
        value = environment.get(variable, default)
        parser.add_argument(f"--{name}", default=value, type=type_, help=f"{text} ({variable}; {default or 'empty'})")

    def switch(name: str, text: str) -> None:
        variable = PREFIX + name.upper().replace("-", "_")
        on = environment.get(variable, "").lower() in {"1", "true", "yes", "on"}
        parser.add_argument(f"--{name}", default=on, action=argparse.BooleanOptionalAction, help=f"{text} ({variable})")

    option("host", "127.0.0.1", "address to listen on")
    option("port", "9100", "port to listen on", int)
    option("data", "var/sandbox-psp", "directory of the books", Path)
    option("public-url", "", "address that browsers use; default http://<host>:<port>")
    option("api-key", "sk_sandbox", "secret key of the merchant")
    option("publishable-key", "pk_sandbox", "key for card tokens only")
    option("webhook-secret", "whsec_sandbox", "secret that signs webhooks")
    option("webhook-url", "", "address for webhooks of charges that name none")
    option("threads", "16", "requests handled at once", int)
    option("hang-seconds", "30", "how long an answer that never comes is awaited", float)
    switch("webhook-all", "also send webhooks for synchronous results")
    switch("control-open", "serve the control page to other machines too")
    options = vars(parser.parse_args(arguments))
    options["public_url"] = options["public_url"].rstrip("/") or f"http://{options['host']}:{options['port']}"
    return Configuration(**options)
