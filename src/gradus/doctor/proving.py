"""What trainings add to a diagnosis: findings that they prove, and some that they refute."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from gradus.diagnosis.findings import Diagnosis, Finding, three_digits
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms import symptoms, with_causes
from gradus.doctor.candidate import check_data, make_candidate, make_data, unweighted_note
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.catalog import REMEDIES, candidates_for
from gradus.doctor.counterfactuals import Outcome, failures, try_remedies
from gradus.doctor.remedy import Remedy
from gradus.doctor.scores import Comparison
from gradus.doctor.twins import compare_twins
from gradus.errors import counted
from gradus.models.model import Model

BUDGET = 6.0  # trainings of full length
SEEDS = 3
TWIN_SEEDS = 2
DOUBTED = ("not-learning", "labels-shuffled")  # what twins prove or refute


def diagnose_by_training(
    model: Model,
    x: Any,
    y: Any,
    validation_data: Any,
    twins: bool | None,
    counterfactuals: bool,
    seed: int,
    ignore: Iterable[str] = (),
    sample_weight: Any = None,
) -> Diagnosis:
    """Return the diagnosis of a trained model with what other trainings prove.

    The arguments are those of `Model.diagnose`.
    """
    diagnosis = model.diagnose(ignore=ignore)
    record = model.record or Record()
    doubted = any(each.code in DOUBTED for each in diagnosis)
    needs_twins = y is not None and (doubted if twins is None else twins)
    data = make_data(model, x, y, validation_data, seed, sample_weight)
    if not needs_twins and not (counterfactuals and diagnosis.faults):
        check_data(model, data)
        return diagnosis
    if note := unweighted_note(model, data):
        diagnosis = Diagnosis(diagnosis.findings, [*diagnosis.limits, note])
    original = make_candidate(model, data, seed)
    training = CandidateTraining(original, record)
    if needs_twins:
        diagnosis = with_twins(diagnosis, training, record, seed)
    if counterfactuals and diagnosis.faults:
        training.doubts_labels = doubts_labels(diagnosis)
        remedies = candidates_for(original, record, diagnosis)
        outcomes = try_remedies(training, original, remedies, BUDGET, SEEDS, record)
        diagnosis = with_outcomes(diagnosis, outcomes)
        limits = [*diagnosis.limits, *failures(outcomes)]
        diagnosis = Diagnosis(diagnosis.findings, limits)
    return diagnosis


def doubts_labels(diagnosis: Diagnosis) -> bool:
    """Whether a fault is that the inputs do not tell the labels."""
    return any(each.code == "labels-shuffled" for each in diagnosis.faults)


def with_twins(
    diagnosis: Diagnosis, training: CandidateTraining, record: Record, seed: int
) -> Diagnosis:
    """Return a diagnosis with what twins show: whether inputs and targets matter to the network."""
    twins = compare_twins(training, TWIN_SEEDS, seed)
    zeros = twins["zeros"]
    found = [_judged(each, zeros) if each.code == "not-learning" else each for each in diagnosis]
    codes = {each.code for each in found}
    if zeros.is_equal and "not-learning" not in codes and not Diagnosis(found).faults:
        found.append(
            Finding(
                message="The network does no better than one trained on zero inputs.",
                why=f"It learns nothing from its inputs: {_shown(zeros, 'with zero inputs')}.",
                remedy="Check that x holds what predicts the targets, and check its scale.",
                kind="proved",
                code="not-learning",
                category="not-learning",
                proof=_twin_proof(zeros, "inputs of zeros"),
            )
        )
    shuffled = twins["shuffled"]
    fits = record.remaining is not None and record.remaining < 1 and record.learned is True
    if shuffled.is_equal and (fits or "labels-shuffled" in codes):
        proved = Finding(
            message="The network does no better than one trained on shuffled targets.",
            why=(
                "It finds no signal about the targets in the inputs: "
                f"{_shown(shuffled, 'with shuffled targets')}."
            ),
            remedy="Check that the rows of x and y match, and look at some pairs of them.",
            kind="proved",
            code="labels-shuffled",
            category="labels",
            proof=_twin_proof(shuffled, "shuffled targets"),
        )
        found = [each for each in found if each.code != "labels-shuffled"] + [proved]
    elif shuffled.helps:
        found = [
            dataclasses.replace(
                each, severity="note", proof=_twin_proof(shuffled, "shuffled targets")
            )
            if each.code == "labels-shuffled"
            else each
            for each in found
        ]
    return Diagnosis(found, diagnosis.limits)


def with_outcomes(diagnosis: Diagnosis, outcomes: Sequence[Outcome]) -> Diagnosis:
    """Return a diagnosis with what counterfactual trainings prove, and what they refute."""
    if not outcomes or not outcomes[0].helps:
        return Diagnosis(_refuted(diagnosis, outcomes, demote=False), diagnosis.limits)
    best = outcomes[0]
    roots = [each for each in diagnosis.faults if each.cause is None]
    tried = best.remedy.parts or (best.remedy,)
    alone = {each.remedy: each.comparison for each in outcomes[1:]}
    # Of several remedies that are needed, the one that helps alone tells the fault.
    helping = [part for part in tried if part in alone and alone[part].helps]
    telling = max(helping, key=lambda part: alone[part].gain, default=tried[0])
    mended = _mended(roots, [telling]) or _mended(roots, tried)
    proved = _proved(mended, best, telling.code)
    others = [each for each in diagnosis if each is not mended]
    # What helps on top of others only is not refuted by a training with it alone.
    refuting = [each for each in outcomes[1:] if each.remedy not in tried]
    others = _refuted(others, refuting, demote=True)
    caused = [
        dataclasses.replace(each, cause=None) if each.kind == "proved" else each
        for each in with_causes([proved, *others])
    ]
    return Diagnosis(caused, diagnosis.limits)


def _mended(roots: Sequence[Finding], remedies: Sequence[Remedy]) -> Finding | None:
    """Return the finding that some remedies mend: the one of the first of them, or another."""
    found = [each for each in roots if set(remedies) & set(REMEDIES.get(each.code, ()))]
    return min(found, key=lambda each: each.code != remedies[0].code, default=None)


def _judged(finding: Finding, zeros: Comparison) -> Finding:
    """Return the finding that nothing is learned, proved or refuted by the twin."""
    proof = _twin_proof(zeros, "inputs of zeros")
    if zeros.helps:
        return dataclasses.replace(
            finding,
            severity="note",
            why=f"But it does learn from its inputs: {_shown(zeros, 'with zero inputs')}.",
            proof=proof,
        )
    if not zeros.is_equal:  # too few samples to tell
        return dataclasses.replace(finding, proof=proof)
    why = f"It learns nothing from its inputs: {_shown(zeros, 'with zero inputs')}."
    return dataclasses.replace(finding, kind="proved", why=why, proof=proof)


def _proved(finding: Finding | None, outcome: Outcome, code: str) -> Finding:
    """Return a finding, or a new one, with the proof that training without it goes better.

    Args:
        finding: the finding; None if none of those that were made is mended.
        outcome: of the training without it.
        code: of a new finding.
    """
    comparison = outcome.comparison
    shown = (
        f"its validation error is {three_digits(comparison.after)} instead of "
        f"{three_digits(comparison.before)} (noise {three_digits(comparison.noise)}, "
        f"{counted(outcome.seeds, 'seed')})"
    )
    if finding is None:
        category = {each.code: each.category for each in symptoms()}.get(code, code)
        finding = Finding(
            message=f"The network learns more with {outcome.remedy.name}.",
            why="",
            remedy="",
            code=code,
            category=category,
        )
    changes = "; ".join(map(str, outcome.candidate.shown_changes))
    proof = _proof(comparison, outcome.remedy.name, outcome.seeds)
    return dataclasses.replace(
        finding,
        severity="fault",
        kind="proved",
        why=f"{finding.why} With {outcome.remedy.name}, {shown}.".strip(),
        remedy=f"Change {changes}.",
        proof={**proof, "changes": [str(each) for each in outcome.candidate.shown_changes]},
    )


def _refuted(findings: Any, outcomes: Sequence[Outcome], demote: bool) -> list[Finding]:
    """Return findings with the proof that their own remedies, tried in full, did not help.

    Args:
        findings: the findings.
        outcomes: of the remedies.
        demote: whether such a fault becomes a note, as the cause is another one.
    """
    tried = [
        each for each in outcomes if each.seeds and not each.comparison.helps and not each.failure
    ]

    def judged(finding: Finding) -> Finding:
        own = [each for each in tried if each.remedy.code == finding.code]
        if not own or finding.kind == "proved":
            return finding
        proof = _proof(own[0].comparison, own[0].remedy.name, own[0].seeds)
        severity = "note" if demote and finding.kind == "dynamic" else finding.severity
        return dataclasses.replace(finding, proof=proof, severity=severity)

    return [judged(each) for each in findings]


def _shown(comparison: Comparison, other: str) -> str:
    return (
        f"its validation error is {three_digits(comparison.after)}, {other} "
        f"{three_digits(comparison.before)} (noise {three_digits(comparison.noise)})"
    )


def _twin_proof(comparison: Comparison, tried: str) -> dict[str, Any]:
    """Return the outcome of a comparison with a twin, which `helps` if the training beats it."""
    proof = _proof(comparison, tried, TWIN_SEEDS)
    return proof | {"error": comparison.before, "as_it_is": comparison.after}


def _proof(comparison: Comparison, tried: str, seeds: int) -> dict[str, Any]:
    """Return the outcome of a comparison for a finding: plain numbers and words.

    The names are those of `Repair.frame`: "error" is that with what was tried.
    """
    return {
        "tried": tried,
        "error": comparison.after,
        "as_it_is": comparison.before,
        "noise": comparison.noise,
        "seeds": seeds,
        "helps": comparison.helps,
    }
