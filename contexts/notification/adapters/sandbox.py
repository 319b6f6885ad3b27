"""Fills templates that staff wrote, in a Django template engine with nothing dangerous in it.

It has no loaders and a short list of tags and filters: no ``load``, ``include``, ``extends``, ``debug``, ``url``, nor
anything that switches escaping off or can multiply text. Variables come from JSON, so that attribute access finds only
the methods of plain values. Variables and loops draw on a budget of text, which bounds both memory and time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, ClassVar, cast

from django.template import (
    Context,
    Engine,
    Library,
    Node,
    NodeList,
    Template,
    TemplateSyntaxError,
    defaultfilters,
    defaulttags,
)
from django.template.base import VariableNode

from contexts.notification.adapters.formats import filters as shop_filters
from ecommerce.errors import Invalid

MAX_SOURCE = 64 * 1024
MAX_OUTPUT = 256 * 1024
MAX_SUBJECT = 200
LOOP_COST = 64
"""Characters that each turn of a loop costs at least."""

TAGS = ("comment", "cycle", "firstof", "if", "with")
FILTERS = (
    "capfirst", "cut", "default", "default_if_none", "divisibleby", "first", "last", "length", "linebreaksbr", "lower",
    "pluralize", "slugify", "title", "truncatechars", "truncatewords", "upper", "urlencode", "yesno",
)  # fmt: skip
WRITING = (VariableNode, defaulttags.CycleNode, defaulttags.FirstOfNode)
"""The nodes that write what the data hold."""
UNKNOWN = re.compile("\ue000([^\ue001]*)\ue001")
"""How an unknown variable is marked in the output of a strict engine: private-use characters around its name."""


class TemplateBroken(Invalid):
    """The template does not compile or cannot be filled. ``part`` is subject, text or html."""

    code = "template_broken"


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """``unknown`` lists the variables that the data does not have (strict rendering only), sorted."""

    subject: str
    text: str
    html: str
    unknown: tuple[str, ...] = ()


def render(
    *, subject: str, body_text: str, body_html: str, context: dict[str, Any], locale: str, strict: bool = False
) -> Rendered:
    """Fill a template. With ``strict`` an unknown variable shows as ``⟦name?⟧`` instead of vanishing.

    Raises:
        TemplateBroken: a syntax error, a forbidden tag or filter, data of the wrong shape, or too much text.
    """
    parts = {
        "subject": " ".join(_fill("subject", subject, context, locale, strict, html=False).split())[:MAX_SUBJECT],
        "text": re.sub(r"\n{3,}", "\n\n", _fill("text", body_text, context, locale, strict, html=False)).strip() + "\n",
        "html": _fill("html", body_html, context, locale, strict, html=True),
    }
    unknown = {name for text in parts.values() for name in UNKNOWN.findall(text)}
    shown = {name: UNKNOWN.sub(r"⟦\1?⟧", text) for name, text in parts.items()}
    return Rendered(**shown, unknown=tuple(sorted(unknown)))


def _fill(part: str, source: str, context: dict[str, Any], locale: str, strict: bool, *, html: bool) -> str:
    if len(source) > MAX_SOURCE:
        raise TemplateBroken(f"{part}: mais de {MAX_SOURCE} caracteres.", part=part)
    if not source:
        return ""
    try:
        template = _compiled(source, locale, strict, html)
        output = str(template.render(BudgetedContext(context, autoescape=html)))
    except TemplateSyntaxError as error:
        raise TemplateBroken(str(error), part=part) from error
    except RecursionError as error:
        raise TemplateBroken("O modelo tem blocos demais uns dentro dos outros.", part=part) from error
    except (TypeError, ValueError, KeyError, ArithmeticError, AttributeError) as error:
        raise TemplateBroken(f"{type(error).__name__}: {error}", part=part) from error
    if len(output) > MAX_OUTPUT:
        raise TemplateBroken(f"{part}: o resultado passa de {MAX_OUTPUT} caracteres.", part=part)
    return output


@lru_cache(maxsize=512)
def _compiled(source: str, locale: str, strict: bool, html: bool) -> Template:
    template = _engine(locale, strict, html).from_string(source)
    for node in (node for kind in WRITING for node in template.nodelist.get_nodes_by_type(kind)):
        vars(node)["render"] = partial(_paid, node.render)
    return template


def _paid(render: Callable[[Any], str], context: Any) -> str:
    text = render(context)
    context.spend(len(text))
    return text


@cache
def _engine(locale: str, strict: bool, html: bool) -> Engine:
    engine = SandboxEngine(loaders=[], autoescape=html, string_if_invalid="\ue000%s\ue001" if strict else "")
    engine.template_builtins = [_library(locale)]
    return engine


class SandboxEngine(Engine):
    default_builtins: ClassVar[list[str]] = []


@cache
def _library(locale: str) -> Library:
    library = Library()
    library.tags = {name: defaulttags.register.tags[name] for name in TAGS} | {"for": _bounded_for}
    library.filters = {name: defaultfilters.register.filters[name] for name in FILTERS} | shop_filters(locale)
    return library


class BudgetedContext(Context):
    """Data of one rendering, with the characters that its variables and its loops may still produce."""

    budget = MAX_OUTPUT
    """A variable inside a loop is paid twice, which no mail comes near."""

    def spend(self, characters: int) -> None:
        self.budget -= characters
        if self.budget < 0:
            raise TemplateSyntaxError("Este modelo produz texto demais.")


class LoopBody(Node):
    """The body of a loop; each turn is paid from the budget."""

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: Any) -> str:
        text = self.nodelist.render(context)
        context.spend(max(len(text), LOOP_COST))
        return text


def _bounded_for(parser: Any, token: Any) -> Node:
    node = defaulttags.do_for(parser, token)
    node.nodelist_loop = NodeList([LoopBody(cast(NodeList, node.nodelist_loop))])
    return node
