"""A verdict is computed: every word, by hand-computed intervals, and what may be pooled for it."""

from __future__ import annotations

import math

import pytest
from samples import claim, record

from sslbook import records
from sslbook.errors import UsageError
from sslbook.records import report
from sslbook.records.claims import Claim, Rule, Verdict, bound, decide, interval

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


@pytest.mark.parametrize(("values", "bound", "expected"), [
    (NEAR, 0.0, "supported"),
    (NEAR, 0.0251, "supported"),  # below the lower end, 0.0251586
    (NEAR, 0.0252, "supported"),  # inside the interval
    (NEAR, 0.0748, "supported"),  # the upper end is 0.0748414
    (NEAR, 0.0749, "too small"),
    (NEAR, 1.0, "too small"),
    ([-v for v in NEAR], 0.02, "refuted"),
    ([-v for v in NEAR], 0.0, "refuted"),
    ([-0.03, 0.01, 0.005], 0.0, "open"),
    ([0.03, -0.01, 0.01], 0.02, "open"),
    ([0.001, -0.001, 0.0], 0.01, "too small"),  # 0 is inside, the bound is not
    ([-0.0011, -0.0009, -0.001], 0.01, "refuted"),
    ([0.0, 0.0, 0.0], 0.0, "open"),
    # Not worse than a margin: no effect lies there.
    ([-0.02, -0.01, 0.0], -0.04, "supported"),
    ([-0.02, -0.01, 0.0], -0.02, "open"),
    ([-0.05, -0.03, -0.04], -0.01, "refuted"),
])
def test_a_rule_decides_and_its_mirror_image_decides_alike(values, bound, expected):
    found = decide(claim(">=", bound), values)
    mirror = decide(claim("<=", -bound), [-v for v in values])
    assert found.word == mirror.word == expected
    assert (found.low, found.high) == pytest.approx((-mirror.high, -mirror.low))


@pytest.mark.parametrize(("values", "bound", "expected"), [
    ([-0.4], -0.5, "passed"),
    ([-0.5], -0.5, "passed"),
    ([-0.6], -0.5, "failed"),
    ([-0.2, -0.45], -0.5, "passed"),
    ([-0.35, -0.1, -0.4], -0.5, "passed"),
    ([0.0, 0.0, 0.0], 0.0, "passed"),
    ([-0.3, -0.3, -0.6], -0.5, "failed"),  # one run is enough
])
def test_a_check_is_met_by_every_run(values, bound, expected):
    assert decide(claim(">=", bound, seeds=False), values).word == expected
    assert decide(claim("<=", -bound, seeds=False), [-v for v in values]).word == expected


def test_ratios_are_compared_as_logarithms():
    half = Rule("<=", 0.5, True, "ratio")
    found = decide(Claim("a", "", "", "", half), [0.1, 0.2, 0.4])
    # Logarithms -2.303, -1.609, -0.916: mean log 0.2, deviation 0.6931, half-width 1.7219.
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.2 / 5.595, 0.2 * 5.595),
                                                                rel=1e-3)
    assert found.word == "open"  # the interval holds 1
    assert found.low > 0  # as intervals of a ratio must
    assert decide(Claim("a", "", "", "", half), [0.2, 0.21, 0.19]).word == "supported"
    assert decide(Claim("a", "", "", "", half), [0.8, 0.81, 0.79]).word == "too small"
    assert decide(Claim("a", "", "", "", half), [2.0, 2.1, 1.9]).word == "refuted"
    assert decide(Claim("a", "", "", "", half), [0.0, 0.1, 0.2]).word == "open"  # of nothing


def test_correlations_are_compared_by_fishers_z():
    found = decide(Claim("a", "", "", "", Rule(">=", 0.5, True, "correlation")), [0.9, 0.1, 0.98])
    assert -1 < found.low < found.high < 1
    assert found.word == "open"
    # atanh of 0.5, 0.6, 0.7: mean 0.70322, deviation 0.15928, half-width 0.39567.
    found = decide(Claim("a", "", "", "", Rule(">=", 0.5, True, "correlation")), [0.5, 0.6, 0.7])
    ends = math.tanh(0.3077), math.tanh(1.0991)
    assert (found.low, found.high) == pytest.approx(ends, abs=3e-4)
    assert found.word == "supported"


def test_an_open_claim_says_how_many_seeds_would_decide():
    values = [0.03, -0.01, 0.01]  # mean 0.01, deviation 0.02
    found = decide(claim(), values)
    # t(0.975, n - 1) * 0.02 / sqrt(n) < 0.01 first at n = 18: 2.1098 / sqrt(18) = 0.4973.
    assert (found.word, found.needed) == ("open", 18)
    assert found.why == "(about 18 seeds would decide)"
    # Of 0.001, -0.001 against a bound of 0.05 the distance to the bound decides sooner.
    assert decide(claim(bound=0.05), [0.03, -0.03, 0.01]).needed < decide(
        claim(), [0.03, -0.03, 0.01]).needed
    assert decide(claim(), [0.1, -0.1, 0.0]).why == "(even 1,000 seeds would not decide)"
    assert decide(claim(), NEAR).why == ""


def test_more_of_the_same_seeds_never_weaken_what_is_supported():
    for copies in (1, 2, 5):
        assert decide(claim(bound=0.05), NEAR * copies).word == "supported"


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_are_not_run(n):
    verdict = decide(claim(), [0.5] * n)
    assert str(verdict) == "not run"
    assert verdict.why == f"({n} of 3 seeds)"
    assert (verdict.n, verdict.mean) == (n, 0.5)


def test_nothing_measured_is_not_run():
    assert decide(claim(), []) == Verdict("not run", 0)


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("seeds", [True, False])
def test_what_is_not_finite_supports_nothing(bad, seeds):
    verdict = decide(claim(seeds=seeds), [0.5, bad, 0.5])
    assert (verdict.word, verdict.n) == ("open" if seeds else "failed", 3)


def test_preconditions_registered_with_the_claim():
    before = Rule(">=", 0.8)
    for seeds in (True, False):
        rule = claim(seeds=seeds, precondition=before)
        good = "supported" if seeds else "passed"
        assert decide(rule, NEAR, [0.9, 0.8, 1.0]).word == good
        assert decide(rule, NEAR, [0.9, 0.7, 1.0]).word == "not at this scale"
        assert decide(rule, NEAR, [0.9, NAN, 1.0]).word == "not at this scale"
        assert decide(rule, NEAR, None).word == "not at this scale"
    assert decide(claim(), NEAR, [0.0, 0.0, 0.0]).word == "supported"  # none was registered


def test_a_rule_that_cannot_decide_is_refused():
    for wrong in ({"op": ">", "bound": 0.0}, {"op": ">=", "bound": 0.0, "scale": "ratio"},
                  {"op": ">=", "bound": 1.0, "scale": "correlation"},
                  {"op": ">=", "bound": 0.5, "scale": "odds"}):
        with pytest.raises(UsageError):
            Rule(**wrong)
    for both in ((None, None), (1.0, 1.0)):
        with pytest.raises(UsageError, match="One bound decides"):
            bound(*both)
    assert (bound(None, 0.5), bound(0.5, None)) == (Rule(">=", 0.5), Rule("<=", 0.5))
    assert [str(bound(0.5, None, seeds=seeds)) for seeds in (False, True)] == [
        "<= 0.5", "<= 0.5 over seeds"]


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
    assert (str(found), found.n) == ("supported", 3)
    assert (found.low, found.high) == pytest.approx((0.05 - HALF, 0.05 + HALF), abs=1e-6)
    assert str(verdict(pool[:2])) == "not run"


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
    assert (found.word, found.n) == ("failed", 1)


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
    assert str(verdict([good])) == "passed"
    assert str(verdict([record(0, claims__a__claim=rule)])) == "not at this scale"


# -- ledger and scoreboard -------------------------------------------------------------------


def test_the_ledger_has_one_row_per_pool_and_claim():
    found = [record(0, 0.04), record(1, 0.05), record(2, 0.06), record(0, preset="full")]
    rows = report.ledger(found)
    assert [(r["preset"], r["verdict"], r["n"]) for r in rows] == [
        ("lesson", "supported", 3), ("full", "not run", 1)]
    text = report.text(found)
    assert "one (a), lesson, cifar10/10: supported" in text
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
