"""What machines read: QR codes and the bars of a boleto. Pure; too slow for a checkout: tens of milliseconds a code."""

from __future__ import annotations

import io
from itertools import groupby

import segno
from barcode.itf import ITF

MODULE_MM = 103 / 405
"""The bars of a boleto are 103 mm wide and 13 mm high (FEBRABAN); 44 digits take 405 modules."""
HEIGHT_MM, HEIGHT = 13, 51
QUIET = 20
"""Modules that stay white on either side: 5 mm."""


def qr_png(text: str) -> bytes:
    """Return a QR code of level M as PNG, with its quiet zone, some 500 pixels wide for a Pix."""
    return _qr(text, "png", scale=8)


def qr_svg(text: str) -> bytes:
    """Return a QR code of level M as an SVG document of any size, with its quiet zone."""
    return _qr(text, "svg", omitsize=True, light="#fff", title="QR Code do Pix")


def inline_qr_svg(text: str) -> str:
    """Return it as an SVG element for a page."""
    return _qr(text, "svg", omitsize=True, light="#fff", xmldecl=False, svgns=True).decode()


def inline_barcode_svg(digits: str) -> str:
    """Return digits, of an even number, as an SVG element in print size: interleaved 2 of 5, bars 1 : 3 wide."""
    [modules] = ITF(digits, narrow=1, wide=3).build()
    bars, x = [], 0
    for module, group in groupby(modules):
        width = len(list(group))
        if module == "1":
            bars.append(f"M{x} 0h{width}v{HEIGHT}h-{width}z")
        x += width
    width_mm = round((x + 2 * QUIET) * MODULE_MM, 2)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_mm}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="-{QUIET} 0 {x + 2 * QUIET} {HEIGHT}" preserveAspectRatio="none" shape-rendering="crispEdges">'
        f'<path d="{"".join(bars)}"/></svg>'
    )


def _qr(text: str, kind: str, **options: object) -> bytes:
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind=kind, border=4, **options)
    return drawn.getvalue()
