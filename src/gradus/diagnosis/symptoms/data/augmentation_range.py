"""Images whose pixels are not in the range that a brightness or contrast layer takes them for.

`RandomBrightness` moves pixels by up to its factor times its range: more than `FAR` times what they
themselves span, so that hardly an image is left; or more than `CUT` of that span is outside the
range and cut off. Both follow from what was given, so it is a fault unless the network learned.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "unscaled-inputs"
FAR, CUT = 2.0, 0.1


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each layer that washes out or cuts off the images it is given."""
    for given in record.pixels:
        span = given.maximum - given.minimum
        if not span > 0:
            continue
        moved = given.factor * (given.high - given.low) / span
        moved = moved if given.kind == "RandomBrightness" else 0.0
        cut = max(given.low - given.minimum, given.maximum - given.high) / span
        if moved <= FAR and cut <= CUT:
            continue
        yield Finding(
            message=(
                f"{given.kind} expects pixels from {given.low:g} to {given.high:g}, but gets "
                f"pixels from {given.minimum:.3g} to {given.maximum:.3g}."
            ),
            why=(
                f"It brightens or darkens images by up to {moved:.0f} times the range of their "
                "pixels: in training, hardly one survives."
                if moved > FAR
                else "Pixels outside its range are clipped in training, and only there."
            ),
            remedy=(
                f"Use value_range=({given.minimum:.3g}, {given.maximum:.3g}), the range of all "
                f"images, or give the layer pixels from {given.low:g} to {given.high:g}."
            ),
            severity="note" if record.learned else "fault",
            layer=given.path,
            evidence=(
                {"largest change / span of the pixels": {"value": moved, "threshold": FAR}}
                if moved > FAR
                else {"share of the span that is cut off": {"value": cut, "threshold": CUT}}
            ),
        )
