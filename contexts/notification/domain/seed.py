"""The templates that come with the program, read from the files in ``seed/``.

A file ``<kind>.<locale>.toml`` has a table per channel with ``subject``, ``text`` and ``html``. A line
``[[part: name]]`` stands for ``parts/name.<locale>.<html|txt>``; the HTML is wrapped in ``parts/layout.html``. What is
stored is the complete text, since the sandbox knows no include.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from contexts.notification.domain.kinds import KINDS, LOCALES, Channel

SEED = Path(__file__).resolve().parents[1] / "seed"
PART = re.compile(r"\[\[part: (\w+)\]\]")


@dataclass(frozen=True, kw_only=True)
class ShippedTemplate:
    key: str
    channel: Channel
    locale: str
    subject: str
    body_text: str
    body_html: str = ""


@cache
def shipped_templates() -> tuple[ShippedTemplate, ...]:
    """Return every template of every kind, one for each of its channels and locales."""
    return tuple(_read())


@cache
def _samples() -> dict[str, Any]:
    return tomllib.loads((SEED / "samples.toml").read_text(encoding="utf-8"))


def sample_context(key: str) -> dict[str, Any]:
    """Return made-up data of a kind, complete: what a preview shows and a publication is checked against."""
    samples = _samples()
    own: dict[str, Any] = samples.get(key, {})
    return {"name": samples["name"]} | own | ({"order": samples["order"]} if KINDS[key].about_order else {})


def _read() -> Iterator[ShippedTemplate]:
    for kind in KINDS.values():
        for locale in LOCALES:
            tables = tomllib.loads((SEED / f"{kind.key}.{locale}.toml").read_text(encoding="utf-8"))
            for channel in kind.channels:
                table = tables[channel]
                html = _composed(table["html"], locale, "html") if "html" in table else ""
                yield ShippedTemplate(
                    key=kind.key,
                    channel=channel,
                    locale=locale,
                    subject=table.get("subject", ""),
                    body_text=_composed(table["text"], locale, "txt"),
                    body_html=_laid_out(html, locale) if html else "",
                )


def _composed(source: str, locale: str, suffix: str) -> str:
    return PART.sub(lambda match: _part(f"{match[1]}.{locale}.{suffix}"), source.strip("\n"))


def _laid_out(html: str, locale: str) -> str:
    layout = _part("layout.html").replace("[[lang]]", "pt-BR" if locale == "pt-br" else "en")
    return _composed(layout.replace("[[content]]", html), locale, "html")


def _part(name: str) -> str:
    return (SEED / "parts" / name).read_text(encoding="utf-8").strip("\n")
