"""What a diagnosis says: findings, and all findings of one experiment."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from gradus.diagnosis.charts import Chart, draw
from gradus.drawing.notebook import html_table
from gradus.records import finite_or_none

Severity: TypeAlias = Literal["fault", "note"]
Kind: TypeAlias = Literal["static", "dynamic", "proved"]
SEVERITIES: tuple[Severity, ...] = ("fault", "note")
VERSION = 1  # of what `Diagnosis.to_json` returns


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong with an experiment, or may be.

    Attributes:
        message: what is wrong, and where, in one sentence.
        why: why it matters, in two sentences.
        remedy: what to write instead.
        severity: "fault" for what is proved or sustained, "note" for anything less.
        kind: "static" if settings and data show it before training, "dynamic" if training does,
            "proved" if a training without it went better.
        layer: the path of the layer, or None.
        epoch: the epoch in which it began, counted from 1, or None.
        evidence: by the name of a statistic its "value" and its "threshold"; a number that is not
            finite is None.
        cause: the code of the finding that it follows from, or None.
        proof: what came out of the training without it, or None.
        code: the stable name of what is wrong, such as "softmax-of-one".
        category: the group of the code, such as "output-activation".
        chart: what `figure` draws; None for the numbers of the evidence. It is not saved.
    """

    message: str
    why: str
    remedy: str
    severity: Severity = "fault"
    kind: Kind = "static"
    layer: str | None = None
    epoch: int | None = None
    evidence: Mapping[str, Mapping[str, float | None]] = dataclasses.field(default_factory=dict)
    cause: str | None = None
    proof: Mapping[str, Any] | None = None
    code: str = ""
    category: str = ""
    chart: Chart | None = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        finite = {
            name: {key: _finite(value) for key, value in numbers.items()}
            for name, numbers in self.evidence.items()
        }
        object.__setattr__(self, "evidence", finite)

    def __str__(self) -> str:
        return f"{self.message} {self.why} {self.remedy}"

    @property
    def note(self) -> str:
        """The finding as a note: whole, or only what is wrong if it follows from another one."""
        return str(self) if self.cause is None else f"{self.message} It follows from {self.cause}."

    def figure(self) -> Any:
        """Return a Plotly figure of the evidence: curves with their limits, or bars.

        Without a curve, the numbers of the evidence and their limits are bars. A finding without
        numbers has no figure: None.
        """
        if self.chart is not None:
            return draw(self.chart)
        bars = {
            label: number
            for name, numbers in self.evidence.items()
            for label, number in (
                (name, numbers["value"]),
                (f"limit of {name}", numbers["threshold"]),
            )
            if number is not None
        }
        return draw(Chart(self.code, bars=bars)) if bars else None

    def to_plain(self) -> dict[str, Any]:
        """Return the finding without its chart as dicts, lists, strings and numbers."""
        plain = dataclasses.asdict(dataclasses.replace(self, chart=None))
        del plain["chart"]
        return finite_or_none(plain)


def three_digits(value: float) -> str:
    """Return a number with three digits as people write it: "6,570", "0.0123", "1.23e+09"."""
    return f"{float(f'{value:.3g}'):,g}" if math.isfinite(value) else "infinity"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


class Diagnosis:
    """The findings of one experiment, causes before what follows from them.

    Args:
        findings: in any order; a finding whose cause is among them stands after it.
        limits: what could not be told, and how to get it, in sentences.

    Examples:
        >>> x, y = np.eye(8), np.arange(8.0) % 2
        >>> model = gr.Model(gr.Sequential([gr.Dense(1, "softmax")]), "mse")
        >>> [finding.code for finding in model.check(x, y).faults]
        ['softmax-of-one']
    """

    def __init__(self, findings: Iterable[Finding] = (), limits: Iterable[str] = ()) -> None:
        found = list(findings)
        codes = {finding.code for finding in found}
        roots = [finding for finding in found if finding.cause not in codes]
        roots.sort(key=lambda each: (SEVERITIES.index(each.severity), each.kind != "proved"))
        ordered: list[Finding] = []
        for code in dict.fromkeys(root.code for root in roots):
            ordered += [root for root in roots if root.code == code]
            ordered += [each for each in found if each.cause == code]
        rest = [finding for finding in found if finding not in ordered]
        self.findings: tuple[Finding, ...] = (*ordered, *rest)
        self.limits = tuple(limits)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults."""
        return tuple(finding for finding in self.findings if finding.severity == "fault")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that are no more than notes."""
        return tuple(finding for finding in self.findings if finding.severity == "note")

    @property
    def healthy(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def frame(self) -> Any:
        """Return a Polars data frame with a row for each finding."""
        import polars

        names = ("code", "category", "severity", "kind", "layer", "epoch", "cause", "message")
        columns = {name: [getattr(each, name) for each in self.findings] for name in names}
        types = {name: polars.Int64 if name == "epoch" else polars.String for name in names}
        return polars.DataFrame(columns, schema=types)

    def to_plain(self) -> dict[str, Any]:
        """Return what `to_json` writes as dicts, lists, strings and numbers."""
        return {
            "version": VERSION,
            "healthy": self.healthy,
            "findings": [finding.to_plain() for finding in self.findings],
            "limits": list(self.limits),
        }

    def to_json(self) -> str:
        """Return the diagnosis as JSON: `{"version": 1, "healthy": …, "findings": […], …}`.

        The entries of a finding are its attributes. A change that a reader of version 1 would not
        understand raises the version; a new entry does not.
        """
        return json.dumps(self.to_plain())

    def without(self, codes: Iterable[str]) -> Diagnosis:
        """Return the diagnosis without some codes, from which nothing follows then."""
        left_out = set(codes)
        kept = (each for each in self.findings if each.code not in left_out)
        return Diagnosis(
            (
                dataclasses.replace(each, cause=None) if each.cause in left_out else each
                for each in kept
            ),
            self.limits,
        )

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, number: int) -> Finding:
        return self.findings[number]

    def __repr__(self) -> str:
        found = "".join(f"\n- {line}" for line in self.lines()) or " no problems found."
        return "\n".join([f"Diagnosis:{found}", *self.limits])

    def lines(self) -> list[str]:
        """Return a line for each finding; what follows from another is indented."""
        codes = {finding.code for finding in self.findings}
        follows = ["  because of it, " * (each.cause in codes) for each in self.findings]
        return [
            f"{start}{each.severity} {each.code}: {each}"
            for start, each in zip(follows, self.findings, strict=True)
        ]

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        limits = "".join(f"<p>{html.escape(limit)}</p>" for limit in self.limits)
        if not self.findings:
            return f"<p>No problems found.</p>{limits}"
        rows = [(each.severity, each.code, str(each)) for each in self.findings]
        return html_table(["severity", "code", "finding"], rows) + limits
