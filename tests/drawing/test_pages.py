"""What all pages share: colors that can be read in light and dark, print, and Plotly as it is."""

import base64
import gzip
import re

import pytest
from plotly.offline import get_plotlyjs

from gradus.drawing import pages


def luminance(color):
    """The relative luminance of "#rrggbb", as WCAG 2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_read_on_both_grounds(mode):
    light, dark = re.findall(r":root \{(.*?)\}", pages.page_style(), re.S)
    colors = dict(re.findall(r"--(\w+): (#\w+)", light if mode == "light" else dark))
    for text in ("ink", "muted", "blue"):
        for ground in ("paper", "ground"):
            assert contrast(colors[text], colors[ground]) > 4.5, (text, ground)


def test_dark_is_for_screens_and_print_keeps_figures_whole():
    style = pages.page_style()
    dark = style.index("prefers-color-scheme: dark")
    assert style.rindex("@media screen and (", 0, dark) == style.rindex("@media", 0, dark)
    printed = style[style.index("@media print") :]
    assert "figure, .card, .tile, tr, .notes li { break-inside: avoid; }" in printed
    assert '"beforeprint"' in pages.drawing_script()


def test_plotly_is_packed_without_loss():
    packed = pages.compressed_plotly()
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    assert len(packed) < 2.1e6
