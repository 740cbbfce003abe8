"""A verdict is computed: every word, by hand-computed intervals, and what may be pooled for it."""

from __future__ import annotations

import math

import pytest
from samples import claim, record

from sslbook import records
from sslbook.errors import UsageError
from sslbook.records import report
from sslbook.records.claims import Claim, Rule, Verdict, decide, interval

# Of 0.04, 0.05, 0.06: mean 0.05, standard deviation 0.01, t(0.975, 2) = 4.302653, so the
# half-width is 4.302653 * 0.01 / sqrt(3) = 0.0248414.
NEAR = [0.04, 0.05, 0.06]
HALF = 0.0248414
NAN = math.nan


def test_interval_by_hand():
    assert interval(NEAR) == pytest.approx((0.05 - HALF, 0.05 + HALF), abs=1e-6)
    # Of 1..5: mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.776445.
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((3 - half, 3 + half), abs=1e-5)
    assert all(math.isnan(bound) for bound in interval([0.05]))


@pytest.mark.parametrize(("values", "bound", "seeds", "expected"), [
    (NEAR, 0.0, True, "holds"),
    (NEAR, 0.0251, True, "holds"),  # the lower end is 0.0251586
    (NEAR, 0.0252, True, "same direction"),
    (NEAR, 0.0748, True, "same direction"),  # the upper end is 0.0748414
    (NEAR, 0.0749, True, "fails"),
    ([-0.03, 0.01, 0.005], 0.0, True, "fails"),  # the wrong sign, though the interval reaches it
    ([0.03, -0.01, 0.01], 0.0, True, "same direction"),
    # Not worse than a margin: inside of it, and the interval reaches beyond it.
    ([-0.02, -0.01, 0.0], -0.04, True, "holds"),
    ([-0.02, -0.01, 0.0], -0.02, True, "same direction"),
    ([-0.05, -0.03, -0.04], -0.02, True, "fails"),
    # One run decides; more runs can only weaken what it decided.
    ([-0.4], -0.5, False, "holds"),
    ([-0.5], -0.5, False, "holds"),
    ([-0.6], -0.5, False, "fails"),
    ([-0.4, -0.6], -0.5, False, "fails"),
    ([-0.2, -0.45], -0.5, False, "holds"),  # an interval of two says nothing
    ([-0.35, -0.1, -0.4], -0.5, False, "same direction"),  # the interval reaches -0.68
    ([-0.30, -0.31, -0.32], -0.5, False, "holds"),
    ([0.0, 0.0, 0.0], 0.0, False, "holds"),
    ([-0.3, -0.3, -0.6], -0.5, False, "fails"),
])
def test_a_rule_decides_and_its_mirror_image_decides_alike(values, bound, seeds, expected):
    assert decide(claim(">=", bound, seeds), values).word == expected
    assert decide(claim("<=", -bound, seeds), [-v for v in values]).word == expected


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_are_undecided(n):
    verdict = decide(claim(), [0.5] * n)
    assert verdict.word == "undecided"
    assert str(verdict) == f"undecided ({n} of 3)"
    assert (verdict.n, verdict.mean) == (n, 0.5)


def test_nothing_measured_is_not_run():
    assert decide(claim(), []) == Verdict("not run", 0)


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("seeds", [True, False])
def test_what_is_not_finite_fails(bad, seeds):
    verdict = decide(claim(seeds=seeds), [0.5, bad, 0.5])
    assert (verdict.word, verdict.n) == ("fails", 3)


def test_preconditions_registered_with_the_claim():
    before = Rule(">=", 0.8)
    for seeds in (True, False):
        rule = claim(seeds=seeds, precondition=before)
        assert decide(rule, NEAR, [0.9, 0.8, 1.0]).word == "holds"
        assert decide(rule, NEAR, [0.9, 0.7, 1.0]).word == "not at this scale"
        assert decide(rule, NEAR, [0.9, NAN, 1.0]).word == "not at this scale"
        assert decide(rule, NEAR, None).word == "not at this scale"
    assert decide(claim(), NEAR, [0.0, 0.0, 0.0]).word == "holds"  # none was registered


def test_a_rule_compares_with_two_signs_only():
    with pytest.raises(UsageError, match="'>=' or '<='"):
        Rule(">", 0.0)
    assert str(Rule(">=", 0.5)) == ">= 0.5 (one run)"
    assert "3 seeds" in str(Rule("<=", 0.5, seeds=True))


def test_a_claim_survives_its_record():
    whole = claim(precondition=Rule("<=", 0.1), presets=("lesson",))
    assert Claim.from_dict(whole.as_dict()) == whole
    assert Claim.from_dict(claim().as_dict()) == claim()


# -- pooling ---------------------------------------------------------------------------------


def verdict(pool):
    return records.verdicts(pool)["a"]


def test_seeds_are_pooled_and_decide():
    pool = records.pooled(record(2, 0.06), [record(0, 0.04), record(1, 0.05)])
    assert [r["seed"] for r in pool] == [0, 1, 2]
    found = verdict(pool)
    assert (str(found), found.n) == ("holds", 3)
    assert (found.low, found.high) == pytest.approx((0.05 - HALF, 0.05 + HALF), abs=1e-6)
    assert str(verdict(pool[:2])) == "undecided (2 of 3)"


@pytest.mark.parametrize(
    "change",
    [
        {"parameters__lambd": 0.02},
        {"parameters__epochs": 4},
        {"data__train__sha256": "d2"},
        {"code__version": "0.2"},
        {"preset": "full"},
        {"chapter": "two"},
        {"status": "running"},
        {"status": "crashed"},
        {"trained_with": "reference"},
    ],
)
def test_what_differs_in_more_than_the_seed_is_not_pooled(change):
    assert len(records.pooled(record(0), [record(1, **change)])) == 1


@pytest.mark.parametrize("change", [
    {"code__commit": "2"}, {"device__kind": "cuda"},
    {"code__digest": "abd"},  # any edit of the package changes it, that of another method too
    {"code__version": "0.1.7"},
])
def test_build_and_device_do_not_part_a_pool(change):
    assert len(records.pooled(record(0), [record(1, **change)])) == 2


def test_the_newest_run_of_a_seed_counts_and_the_own_record_before_all():
    pool = records.pooled(record(0, 0.3), [record(0, 0.1), record(1, 0.1), record(1, 0.2)])
    assert [r["claims"]["a"]["value"] for r in pool] == [0.2, 0.3]


def test_a_value_measured_under_another_rule_is_not_pooled():
    for changed in (claim(bound=0.01), claim(op="<="), claim(precondition=Rule(">=", 0.0))):
        old = record(5, claims__a__claim=changed.as_dict())
        assert verdict(records.pooled(record(0), [old])).n == 1
    reworded = {**claim().as_dict(), "text": "better words", "source": "page 2"}
    assert verdict(records.pooled(record(0), [record(5, claims__a__claim=reworded)])).n == 2


def test_the_rule_of_the_own_record_decides_whatever_its_seed():
    mine = record(0, 0.05, claims__a__claim=claim(bound=0.5, seeds=False).as_dict())
    found = verdict(records.pooled(mine, [record(1), record(2)]))
    assert (found.word, found.n) == ("fails", 1)


def test_a_claim_that_older_runs_lack_has_a_verdict():
    older = record(5)
    older["claims"] = {}
    assert verdict(records.pooled(record(0), [older])).n == 1


def test_a_claim_is_decided_in_its_presets_only():
    elsewhere = record(0, preset="smoke", claims__a__claim=claim(presets=("lesson",)).as_dict())
    assert str(verdict([elsewhere])) == "not run"
    assert verdict([elsewhere]).n == 0


def test_an_unmeasured_claim_is_not_run():
    assert str(verdict([record(0, None)])) == "not run"
    bare = record(0)
    del bare["claims"]["a"]["value"]
    assert str(verdict([bare])) == "not run"


def test_preconditions_are_read_from_records():
    rule = claim(seeds=False, precondition=Rule(">=", 0.8)).as_dict()
    good = record(0, claims__a__claim=rule, claims__a__precondition=0.9)
    assert str(verdict([good])) == "holds"
    assert str(verdict([record(0, claims__a__claim=rule)])) == "not at this scale"


# -- ledger and scoreboard -------------------------------------------------------------------


def test_the_ledger_has_one_row_per_pool_and_claim():
    found = [record(0, 0.04), record(1, 0.05), record(2, 0.06), record(0, preset="full")]
    rows = report.ledger(found)
    assert [(r["preset"], r["verdict"], r["n"]) for r in rows] == [
        ("lesson", "holds", 3), ("full", "undecided (1 of 3)", 1)]
    text = report.text(found)
    assert "one (a), lesson, cifar10/10: holds" in text
    assert "[0.02516, 0.07484]" in text
    assert "n=3" in text


def test_reference_code_and_unfinished_runs_stay_out_of_the_ledger():
    found = [record(0, trained_with="reference"), record(1, status="crashed")]
    assert report.ledger(found) == []
    assert report.ledger([*found, record(2)])[0]["n"] == 1


def test_what_was_not_measured_is_null_in_json():
    import json

    plain = report.plain([record(0, None, scores={"x": {"knn20": 0.5}})])
    assert plain["ledger"][0]["mean"] is None
    assert "NaN" not in json.dumps(plain)
    assert plain["scoreboard"][0]["knn20"] == 0.5


def test_no_records_say_how_to_make_one():
    assert "sslbook run barlow_twins" in report.text([])
