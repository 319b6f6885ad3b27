"""Pictures of products that do not exist: a soft gradient, a line drawing of the kind of thing, and the name."""

from __future__ import annotations

from html import escape

from contexts.catalog.management.demo.catalogue import number_of

SIZE = 640
MAX_LETTERS = 34

ICONS = {
    "phone": '<rect x="-70" y="-130" width="140" height="260" rx="24"/><path d="M-20 -104h40M-14 104h28"/>',
    "headphones": (
        '<path d="M-110 50v-30a110 110 0 0 1 220 0v30"/><rect x="-130" y="30" width="50" height="90" rx="20"/>'
        '<rect x="80" y="30" width="50" height="90" rx="20"/>'
    ),
    "laptop": '<rect x="-120" y="-95" width="240" height="155" rx="14"/><path d="M-155 85h310l-16 22h-278z"/>',
    "pot": (
        '<path d="M-105 -25h210v85a45 45 0 0 1-45 45h-120a45 45 0 0 1-45-45z"/><path d="M-105 5h-35M105 5h35"/>'
        '<path d="M-115 -45h230M0 -45v-22M-30 -100q10-18 0-36M30 -100q10-18 0-36"/>'
    ),
    "towel": (
        '<rect x="-115" y="-20" width="230" height="46" rx="20"/>'
        '<rect x="-130" y="30" width="260" height="56" rx="22"/>'
        '<rect x="-95" y="-72" width="190" height="46" rx="20"/><path d="M-60 -2h60M-70 58h80"/>'
    ),
    "lamp": '<path d="M-55 -125h110l55 130h-220z"/><path d="M0 5v105M-60 115h120"/><path d="M40 5v40"/>',
    "shirt": '<path d="M-45 -115l-95 50 32 68 42-18v130h132v-130l42 18 32-68-95-50a46 40 0 0 1-90 0z"/>',
    "shoe": (
        '<path d="M-135 -50q20 22 62 12l40-26 70 68q62 8 92 34v40h-264z"/><path d="M-135 82h264v24h-264z"/>'
        '<path d="M-18 -42l-24 20M10 -14l-24 20"/>'
    ),
    "bag": (
        '<rect x="-95" y="-60" width="190" height="180" rx="34"/><path d="M-42 -60v-20a42 42 0 0 1 84 0v20"/>'
        '<rect x="-58" y="20" width="116" height="60" rx="16"/>'
    ),
    "stopwatch": '<circle cx="0" cy="20" r="100"/><path d="M0 20l40-46M-26 -118h52M0 -118v38M78 -70l20-20"/>',
    "wheel": (
        '<circle cx="0" cy="0" r="125"/><circle cx="0" cy="0" r="18"/>'
        '<path d="M0 -125v107M0 18v107M-125 0h107M18 0h107M-88 -88l75 75M13 13l75 75M-88 88l75-75M13 -13l75-75"/>'
    ),
    "drop": '<path d="M0 -130q95 115 95 165a95 95 0 0 1-190 0q0-50 95-165z"/><path d="M-48 50a50 50 0 0 0 40 46"/>',
    "book": (
        '<path d="M0 -80q-55-40-130-28v190q75-12 130 28 55-40 130-28v-190q-75-12-130 28z"/><path d="M0 -80v190"/>'
        '<path d="M-96 -60q34-2 62 12M-96 -20q34-2 62 12M34 -48q28-14 62-12"/>'
    ),
    "blocks": (
        '<rect x="-125" y="0" width="115" height="115" rx="12"/><rect x="10" y="0" width="115" height="115" rx="12"/>'
        '<path d="M0 -125l62 108h-124z"/><circle cx="-68" cy="57" r="26"/>'
    ),
    "cup": (
        '<path d="M-100 -35h170v70a70 70 0 0 1-70 70h-30a70 70 0 0 1-70-70z"/>'
        '<path d="M70 -15h20a34 34 0 0 1 0 68h-22"/>'
        '<path d="M-120 125h210M-50 -65q12-20 0-42M0 -65q12-20 0-42"/>'
    ),
}


def picture(*, handle: str, name: str, icon: str) -> str:
    """Return the SVG of a product; the same product looks the same every time."""
    draw = number_of(handle, "imagem")
    hue = (number_of(icon) % 360 + draw % 40) % 360
    turn = draw % 60 - 30
    title = name if len(name) <= MAX_LETTERS else f"{name[: MAX_LETTERS - 1].rstrip()}…"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img" aria-label="{escape(name)}">
<defs>
<linearGradient id="sky" gradientTransform="rotate({45 + turn})">
<stop offset="0" stop-color="hsl({hue} 62% 93%)"/><stop offset="1" stop-color="hsl({(hue + 38) % 360} 54% 80%)"/>
</linearGradient>
<radialGradient id="sun"><stop offset="0" stop-color="#fff" stop-opacity=".85"/><stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient>
</defs>
<rect width="{SIZE}" height="{SIZE}" fill="url(#sky)"/>
<circle cx="{200 + draw % 240}" cy="{190 + draw // 7 % 120}" r="300" fill="url(#sun)"/>
<ellipse cx="320" cy="452" rx="150" ry="16" fill="hsl({hue} 30% 30%)" opacity=".12"/>
<g transform="translate(320 292) scale(1.08)" fill="hsl({hue} 60% 98%)" fill-opacity=".72" stroke="hsl({hue} 42% 34%)" stroke-width="9" stroke-linecap="round" stroke-linejoin="round">{ICONS[icon]}</g>
<text x="320" y="556" text-anchor="middle" font-family="system-ui, sans-serif" font-size="26" fill="hsl({hue} 40% 26%)">{escape(title)}</text>
</svg>
"""  # noqa: E501
