import io
from decimal import Decimal

import pytest

from contexts.catalog.domain.imports import (
    DraftProduct,
    Rejected,
    TooManyRows,
    UnknownFormat,
    check_file,
    plain_text,
    read_products,
)

HEADER = "handle,name,sku,price,weight_grams,stock\n"


def read(row, header=HEADER):
    return list(read_products(io.StringIO(header + row + "\n")))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("10", "10.00"), ("10.5", "10.50"), ("10,90", "10.90"), ("0", "0.00"), ("9999999999.99", "9999999999.99")],
)
def test_prices_are_read_with_point_or_comma(written, meant):
    (product,) = read(f'p,P,S,"{written}",,')
    assert product.variants[0].price == Decimal(meant)


@pytest.mark.parametrize("written", ["-1", "1.234,50", "dez", "NaN", "Infinity", "1e99", "1.999", "99999999999"])
def test_prices_that_are_none_are_refused(written):
    (rejected,) = read(f'p,P,S,"{written}",,')
    assert (rejected.line, rejected.code) == (2, "invalid_price")


@pytest.mark.parametrize("written", ["x", "-1", "1e400", "1e999999999", "NaN", "Infinity"])
def test_weights_are_whole_and_not_negative(written):
    (rejected,) = read(f"p,P,S,1,{written},")
    assert rejected.code == "invalid_weight_grams"


def test_a_header_without_end_is_no_header():
    with pytest.raises(UnknownFormat):
        check_file(io.StringIO(HEADER.strip() + "," * 1_000_000))


@pytest.mark.parametrize(
    ("written", "meant"), [("'=1+1", "=1+1"), ("''=1", "'=1"), ("'aspas'", "'aspas'"), ("'", "'"), ("-50%", "-50%")]
)
def test_the_apostrophe_before_what_is_no_formula_is_taken_off(written, meant):
    (product,) = read(f"p,{written},S,1,,")
    assert product.name == meant


def test_a_negative_stock_of_another_shop_is_none():
    (product,) = read("p,P,S,1,,-3")
    assert product.variants[0].stock == 0


def test_a_missing_sku_is_made_up_the_same_way_each_time():
    header = "handle,name,sku,price,option1_name,option1_value\n"
    skus = {read("camiseta,C,,1,Cor,Azul claro", header)[0].variants[0].sku for _ in range(2)}
    assert skus == {"CAMISETA-AZUL-CLARO"}


@pytest.mark.parametrize("handle", ["", "com espaço", "ação", "-x", "a/b", "x" * 201])
def test_a_handle_must_be_fit_for_an_address(handle):
    (rejected,) = read(f"{handle},P,S,1,,")
    assert rejected.code == "invalid_handle"


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ("handle,name,sku,price", set()),
        ("handle,name,sku,price,brand,outra", {"brand"}),
        ("handle,name,sku,price,option1_name,option1_value", {"options"}),
        ("Handle,Title,Variant SKU,Variant Price,Published,Type", {"status", "category"}),
    ],
)
def test_a_file_says_nothing_of_what_it_has_no_column_for(header, given):
    (product,) = read("p,P,S,1", f"{header}\n")
    assert product.given & {"brand", "category", "status", "options", "weight_grams"} == given


@pytest.mark.parametrize("header", ["", "a,b", "handle,sku", "title,price"])
def test_an_unknown_header_is_refused(header):
    with pytest.raises(UnknownFormat):
        check_file(io.StringIO(f"{header}\n1,2\n"))


def test_empty_lines_count_for_nothing_but_their_number():
    found = read("\n,,,,,\np,P,S,x,,")
    assert found == [Rejected(4, "invalid_price", "'x' não é um valor.")]


def test_too_many_rows_are_noticed_before_anything_happens():
    check_file(io.StringIO(HEADER + "p,P,,1,,\n" * 10_000))
    with pytest.raises(TooManyRows):
        check_file(io.StringIO(HEADER + "p,P,,1,,\n" * 10_001))


def test_a_product_with_a_bad_description_is_refused_with_all_its_rows():
    found = read(f"p,{'x' * 201},S,1,,\np,,T,1,,\nq,Q,U,1,,")
    assert [(item.line, item.code) for item in found if isinstance(item, Rejected)] == [
        (2, "too_long"),
        (3, "too_long"),
    ]
    assert [item.handle for item in found if isinstance(item, DraftProduct)] == ["q"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("só texto", "só texto"),
        ("<p>Um</p><p>dois &amp; três</p>", "Um\ndois & três"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("<script>alert(1)</script>ok", "ok"),
        ("<style>p{}</style><b>ok", "ok"),
        ("<img src=x onerror=alert(1)>", ""),
    ],
)
def test_descriptions_become_plain_text(html, text):
    assert plain_text(html) == text
