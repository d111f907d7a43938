"""The scores of the doctor's benchmarks, on outcomes made by hand."""

import importlib
import sys
from pathlib import Path

import pytest
from scipy.stats import binomtest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def imported(name):
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


detection, alarms = imported("doctor_detection"), imported("doctor_alarms")


def run(seed, counts, *findings, twin=None):
    found = [[code, category, cause] for code, category, cause in findings]
    made = {"seed": seed, "status": "trained", "counts": counts, "findings": found, "notes": 1}
    return made if twin is None else made | {"twin": twin}


RATE, DEAD = ("rate-high", "learning-rate-high", None), ("dead-relu", "dead-relu", "rate-high")
OUTCOMES = {
    "A": {
        "categories": ["learning-rate-high"],
        "published": {"detected": {"X": 1, "Y": 0}, "categorised": {"X": 0}},
        "stand_in": "",
        "runs": [run(0, True, RATE, DEAD, twin=["a lower rate", [], 0]), run(1, True)],
    },
    "B": {
        "categories": ["dead-relu"],
        "published": None,
        "stand_in": "digits",
        "runs": [
            run(0, True, RATE, twin=["a lower rate", [["rate-low", "learning-rate-low", None]], 2]),
            run(1, False, RATE),
            {"seed": 2, "status": "prevented", "reason": "refused"},
        ],
    },
}


@pytest.mark.parametrize(("hits", "count"), [(0, 300), (3, 300), (7, 9), (9, 9)])
def test_the_interval_is_wilsons(hits, count):
    expected = binomtest(hits, count).proportion_ci(0.95, "wilson")
    assert detection.interval(hits, count) == pytest.approx(expected, abs=1e-4)


def test_found_named_and_roots():
    found = detection.scores(OUTCOMES, [0, 1])
    assert found["programs"] == 3
    assert (found["found"], found["named"], found["roots"]) == pytest.approx((2 / 3, 1 / 3, 2 / 3))
    assert detection.scores(OUTCOMES, [1])["found"] == 0


def test_sound_trainings_are_twins_and_programs_that_do_fine():
    sound = detection.sound(OUTCOMES, [0, 1, 2])
    assert [(name, seed, bool(faults)) for name, seed, faults, _ in sound] == [
        ("A (a lower rate)", 0, False),
        ("B (a lower rate)", 0, True),
        ("B", 1, True),
    ]


def test_tables_say_what_is_right_and_what_others_said():
    tables = detection.tables({"outcomes": OUTCOMES})
    assert (
        "| A | `learning-rate-high` | rate-high 1 ×; nothing (not right) 1 × | X found, Y missed |"
        in (tables["doctor_cases"])
    )
    assert (
        "rate-high (not right) 1 ×; sound, but rate-high 1 ×; prevented (refused) 1 ×"
        in (tables["doctor_cases"])
    )
    assert "B (digits stands in)" in tables["doctor_cases"]
    assert "| B (a lower rate) | 0 | rate-low |" in tables["doctor_alarms"]


def test_false_alarms_are_counted_among_sound_trainings_only():
    runs = [
        {"variant": "the defaults", "sound": sound, "faults": faults, "notes": []}
        for sound, faults in [(True, []), (True, ["rate-low"]), (False, ["rate-low"])]
    ]
    table = alarms.tables({"runs": runs})["doctor_false_alarms"]
    assert "| all | 2 | 50% (goal ≤ 1%, missed) |" in table
    assert "rate-low 1 ×" in table


# --- repair -------------------------------------------------------------------------------------

repair = imported("doctor_repair")


def repaired(before, after, random=0.0, helped=True, times=2.0):
    return {
        "helped": helped, "before": before, "after": after, "remedy": "scaled inputs",
        "trainings": 5.0, "times": times, "plain": 1.0, "random": [random] * 20,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gains", "mended"),
    [
        ([0.5, 0.5, 0.5], True),
        ([0.5, 0.4, 0.6], True),
        ([0.5, 0.0, 0.0], False),  # 0.167 ± 0.167
        ([0.0, 0.0, 0.0], False),
        ([-0.1, -0.2, -0.1], False),
    ],
)
def test_a_case_is_mended_beyond_two_standard_errors_of_its_seeds(gains, mended):
    assert repair.is_mended([repaired(0.6, 0.6 - gain) for gain in gains]) == mended


def test_the_table_of_repair_counts_cases_and_compares_with_chance():
    found = {
        "one": [repaired(0.6, 0.1, 0.3), repaired(0.6, 0.2, 0.3)],
        "two": [repaired(0.5, 0.5, 0.1), repaired(0.5, 0.5, 0.1)],
    }
    left_out = {"three": [{"left_out": "its labels are wrong"}]}
    tables = repair.tables({"outcomes": {**found, **left_out}})
    row = tables["doctor_repair"].splitlines()[-1]
    # gains .5, .4, 0, 0; random .3, .3, .1, .1; by case .15 and -.1
    assert row.startswith("| 2 | 50% (goal 90%, missed) | 0.225 | 0.200 (+0.025 ± 0.245) | 50%")
    assert "three" not in tables["doctor_repaired_cases"]
    assert [len(part) for part in repair.halves(7, 0)] == [3, 4]
