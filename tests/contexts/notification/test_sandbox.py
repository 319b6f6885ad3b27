import copy
import time
import tracemalloc
from typing import Any

import pytest

from contexts.notification.adapters import Rendered, TemplateBroken, render
from contexts.notification.adapters.sandbox import MAX_OUTPUT, MAX_SOURCE
from contexts.notification.domain import ShippedTemplate, sample_context, shipped_templates

SHOP = {"shop": {"name": "Loja", "url": "https://loja.example", "storefront_url": "https://loja.example"}}


def fill(
    text: str = "", *, html: str = "", subject: str = "", strict: bool = False, locale: str = "pt-br", **context: Any
) -> Rendered:
    return render(subject=subject, body_text=text, body_html=html, context=context, locale=locale, strict=strict)


@pytest.mark.parametrize(
    "source",
    [
        "{% load i18n %}",
        '{% include "admin/base.html" %}',
        '{% extends "admin/base.html" %}',
        "{% debug %}",
        '{% url "admin:index" %}',
        "{% csrf_token %}",
        "{% autoescape off %}{{ name }}{% endautoescape %}",
        "{% filter upper %}a{% endfilter %}",
        "{{ name|safe }}",
        "{{ name|ljust:1000000000 }}",
        '{{ name|stringformat:"1000000000d" }}',
        "{{ name|add:name }}",
        "{{ name.__class__ }}",
        "{{ name.__class__.__mro__ }}",
        "{% if %}",
        "{% for a in name %}",
    ],
)
def test_what_could_read_files_or_grow_without_bound_does_not_compile(source: str) -> None:
    with pytest.raises(TemplateBroken) as refused:
        fill(source, name="x")
    assert refused.value.params["part"] == "text"


def test_html_is_escaped_and_text_is_not() -> None:
    rendered = fill("{{ name }}", html="{{ name }}", subject="{{ name }}", name='<b>&"')

    assert rendered.html == "&lt;b&gt;&amp;&quot;"
    assert rendered.text == '<b>&"\n'
    assert rendered.subject == '<b>&"'


def test_a_subject_stays_on_one_line() -> None:
    assert fill(subject="Olá {{ name }}", name="a\r\nBcc: b@example.com").subject == "Olá a Bcc: b@example.com"


def test_nested_loops_run_out_of_budget_quickly() -> None:
    source = "".join(f"{{% for {name} in many %}}" for name in "abcd") + 4 * "{% endfor %}"
    started = time.monotonic()

    with pytest.raises(TemplateBroken, match="texto demais"):
        fill(source, many=list(range(500)))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("tag", ["{{ name }}", "{% firstof name %}", "{% if name %}{{ name }}{% endif %}"])
def test_repeating_a_long_value_runs_out_of_budget_before_it_runs_out_of_memory(tag: str) -> None:
    tracemalloc.start()
    with pytest.raises(TemplateBroken, match="texto demais"):
        fill("{% if name %}" + tag * 1000 + "{% endif %}", name="x" * 100_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_blocks_without_end_break_the_template_not_the_caller() -> None:
    with pytest.raises(TemplateBroken, match="blocos demais"):
        fill("{% if a %}" * 3000 + "{% endif %}" * 3000)


def test_output_and_source_have_a_limit() -> None:
    with pytest.raises(TemplateBroken, match="passa de"):
        fill("x{{ name }}", name="x" * MAX_OUTPUT)
    with pytest.raises(TemplateBroken, match="mais de"):
        fill("x" * (MAX_SOURCE + 1))
    with pytest.raises(TemplateBroken, match="texto demais"):
        fill("{% for a in many %}" + "x" * 1000 + "{% endfor %}", many=list(range(500)))


def test_an_unknown_variable_is_shown_and_named_in_a_preview_only() -> None:
    source = "{{ order.nubmer }} {{ name }} {% if order.missing %}x{% endif %}"

    strict = fill(source, html="{{ other }}", strict=True, name="a", order={"number": "1"})
    assert strict.unknown == ("order.nubmer", "other")
    assert strict.text == "⟦order.nubmer?⟧ a \n".replace(" \n", "\n")
    assert strict.html == "⟦other?⟧"
    assert fill(source, name="a", order={"number": "1"}).text == "a\n"


def test_data_of_the_wrong_shape_break_the_template_not_the_caller() -> None:
    with pytest.raises(TemplateBroken):
        fill("{{ name|money }}", name="x")
    with pytest.raises(TemplateBroken):
        fill("{% for a, b in many %}{% endfor %}", many=[1])


@pytest.mark.parametrize(
    ("source", "locale", "expected"),
    [
        ("{{ value|money }}", "pt-br", "R$\xa01.234.567,80"),
        ("{{ value|money }}", "en", "R$1,234,567.80"),
        ("{{ at|datetime }}", "pt-br", "20/11/2026 23:30"),
        ("{{ at|datetime }}", "en", "Nov 20, 2026 23:30"),
        ("{{ at|date }}", "pt-br", "20/11/2026"),
        ("{{ due|date }}", "pt-br", "23/11/2026"),
    ],
)
def test_money_and_times_are_written_as_people_write_them(source: str, locale: str, expected: str) -> None:
    values = {"value": {"amount": "1234567.80", "currency": "BRL"}, "at": "2026-11-21T02:30:00Z", "due": "2026-11-23"}

    assert fill(source, locale=locale, **values).text == f"{expected}\n"


@pytest.mark.parametrize("shipped", shipped_templates(), ids=lambda t: f"{t.key}-{t.channel}-{t.locale}")
def test_every_shipped_template_knows_all_its_variables(shipped: ShippedTemplate) -> None:
    rendered = render(
        subject=shipped.subject,
        body_text=shipped.body_text,
        body_html=shipped.body_html,
        context={**sample_context(shipped.key), **SHOP, "unsubscribe_url": "https://loja.example/u"},
        locale=shipped.locale,
        strict=True,
    )

    assert rendered.unknown == ()
    assert "[[" not in rendered.text + rendered.html
    assert "{{" not in rendered.subject + rendered.text + rendered.html


@pytest.mark.parametrize("locale", ["pt-br", "en"])
def test_a_mail_shows_the_qr_code_and_leads_to_the_boleto(locale: str) -> None:
    shipped = next(each for each in shipped_templates() if (each.key, each.locale) == ("order_placed", locale))
    order = copy.deepcopy(sample_context("order_placed")["order"])

    rendered = fill(shipped.body_text, html=shipped.body_html, order=order, unsubscribe_url="", **SHOP)

    assert '<img src="https://example.com/qr.png"' in rendered.html
    assert '<a href="https://example.com/boleto.pdf">' in rendered.html
    assert "https://example.com/qr.png" in rendered.text
    del order["payments"][0]["client_data"]["qr_url"]
    assert "<img" not in fill("", html=shipped.body_html, order=order, unsubscribe_url="", **SHOP).html


def test_only_a_payment_that_is_still_open_is_asked_for() -> None:
    shipped = next(each for each in shipped_templates() if (each.key, each.locale) == ("order_placed", "pt-br"))
    order = copy.deepcopy(sample_context("order_placed")["order"])
    pix, boleto, _ = order["payments"]
    pix["status"] = "expired"

    rendered = fill(shipped.body_text, html=shipped.body_html, order=order, unsubscribe_url="", **SHOP)

    for text in (rendered.text, rendered.html):
        assert pix["client_data"]["br_code"] not in text
        assert boleto["client_data"]["linha_digitavel"] in text
        assert "1.000,00" in text
