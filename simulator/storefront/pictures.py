"""Drawn pictures for products without a photograph: the same title always gives the same still life."""

from __future__ import annotations

import hashlib
import html
import itertools

_PALETTES = (
    ("#efe6d8", "#b5654a", "#7d3f2c"),
    ("#dfe8e3", "#4f7a6b", "#2f5549"),
    ("#e6e3ee", "#6d648f", "#453f66"),
    ("#f3e3df", "#c27a75", "#8c4b49"),
    ("#dde7ef", "#4d749a", "#2d4d6e"),
    ("#f1ead2", "#c39b3a", "#876819"),
    ("#e4eadb", "#7f9152", "#525f31"),
    ("#eae4e0", "#75665d", "#4a3f38"),
)
_CENTRE, _FOOT = 200.0, 318.0


def picture(title: str) -> str:
    """An SVG of 400 × 400: a vessel whose outline, colours and glaze follow from the title."""
    digest = hashlib.sha256(title.encode()).digest()
    ground, body, shade = _PALETTES[digest[0] % len(_PALETTES)]
    height = 150 + digest[1] % 80
    radii = [
        38 + digest[2] % 30,
        62 + digest[3] % 48,
        54 + digest[4] % 52,
        24 + digest[5] % 34,
        34 + digest[6] % 34,
    ]
    top = _FOOT - height
    outline = _outline(radii, top, height)
    bands = "".join(
        f'<rect x="0" y="{top + height * (0.34 + 0.1 * n):.0f}" width="400" height="{4 + digest[7 + n] % 10}"/>'
        for n in range(1 + digest[8] % 3)
    )
    dots = "".join(
        f'<circle cx="{80 + (n * 37 + digest[9]) % 240}" cy="{top + height * (0.3 + 0.09 * (n % 5)):.0f}" r="5"/>'
        for n in range(14)
    )
    glaze = (bands, dots, "")[digest[10] % 3]
    sun = f'<circle cx="{95 + digest[11] % 210}" cy="{105 + digest[12] % 50}" r="{52 + digest[13] % 30}"/>'
    name = html.escape(title, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img" aria-label="{name}">'
        f'<rect width="400" height="400" fill="{ground}"/><g fill="#fff" opacity=".45">{sun}</g>'
        f'<rect y="300" width="400" height="100" fill="{shade}" opacity=".14"/>'
        f'<ellipse cx="200" cy="{_FOOT}" rx="{radii[0] + 34}" ry="11" fill="{shade}" opacity=".28"/>'
        f'<clipPath id="v"><path d="{outline}"/></clipPath><path d="{outline}" fill="{body}"/>'
        f'<g clip-path="url(#v)"><g fill="{ground}" opacity=".6">{glaze}</g>'
        f'<rect x="200" width="200" height="400" fill="{shade}" opacity=".28"/></g>'
        f'<ellipse cx="200" cy="{top:.0f}" rx="{radii[-1]}" ry="7" fill="{shade}"/></svg>'
    )


def _outline(radii: list[int], top: float, height: float) -> str:
    """A closed, symmetrical path through the radii from foot to rim, smooth at every joint."""
    steps = len(radii) - 1
    points = [(float(radius), _FOOT - height * n / steps) for n, radius in enumerate(radii)]
    right = _side(points, 1)
    left = _side(points[::-1], -1)
    return f"M{_CENTRE + radii[0]:.0f} {_FOOT:.0f}{right}L{_CENTRE - radii[-1]:.0f} {top:.0f}{left}Z"


def _side(points: list[tuple[float, float]], sign: int) -> str:
    parts = []
    for (from_r, from_y), (to_r, to_y) in itertools.pairwise(points):
        half = (from_y + to_y) / 2
        parts.append(
            f"C{_CENTRE + sign * from_r:.0f} {half:.0f} {_CENTRE + sign * to_r:.0f} {half:.0f} "
            f"{_CENTRE + sign * to_r:.0f} {to_y:.0f}"
        )
    return "".join(parts)
