"""Claims and comparisons as tables on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sslbook.lesson.viz.show import show_table


def show_verdicts(claims: Mapping[str, Any], verdicts: Mapping[str, Any]) -> None:
    """One row per claim: what the paper says, what was measured, and the verdict with its reason.

    Nothing here can be typed. Checks of the first edition, which one run decides, stand below.
    """
    for seeds, heading in ((True, ("claim", "the paper", "here: mean [95 % interval]", "verdict")),
                           (False, ("check", "source", "measured", ""))):
        rows = []
        for key, claim in claims.items():
            if claim.rule.seeds == seeds:
                paper = " ".join(filter(None, [claim.paper, f"({claim.source})"]))
                reason = _reason(claim.rule, verdicts[key])
                rows.append((f"({key}) {claim.text}: {claim.measures}", paper,
                             _value(claim.rule, verdicts[key]),
                             ": ".join(filter(None, [str(verdicts[key]), reason]))))
        if rows:
            show_table(heading, rows)


def _value(rule: Any, verdict: Any) -> str:
    """The mean with its interval and the number of seeds, and what is wanted."""
    wanted = f"wanted: at {'least' if rule.op == '>=' else 'most'} {rule.bound:g}"
    if not verdict.n:
        return wanted
    digits = ".1f" if abs(verdict.mean) >= 1 else ".3g"
    interval = "" if math.isnan(verdict.low) else (
        f" [{verdict.low:{digits}}, {verdict.high:{digits}}]")
    return f"{verdict.mean:{digits}}{interval}, {verdict.n} seed{'s' * (verdict.n > 1)}; {wanted}"


def _reason(rule: Any, verdict: Any) -> str:
    """Why the verdict is what it is, from where the interval lies."""
    if math.isnan(verdict.low) or not rule.seeds or str(verdict) not in (
            "supported", "too small", "refuted", "open"):
        return verdict.why.strip("()")
    none, margin = rule.values([0.0])[0] + 0.0, rule.effects([rule.bound])[1]
    side, other = ("above", "below") if rule.op == ">=" else ("below", "above")
    both = f"neither {none:.3g} nor {rule.bound:g} is" if margin else f"{none:.3g} is not"
    return {"supported": f"all of it lies {side} {none:.3g}",
            "refuted": f"all of it lies {other} {none:.3g}",
            "too small": f"{rule.bound:g} is ruled out",
            "open": f"{both} ruled out; {verdict.why.strip('()')}"}[str(verdict)]


def show_comparison(
    yours: Mapping[str, float], ours: Mapping[str, Any] | None, row: str,
    peers: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Yours beside the reference record of this book, and that beside what others published.

    yours: measure -> accuracy in 0-1. ours: the reference record, or None where there is none.
    peers: published figures beside that record (`judging.published.matching_figures`).
    """
    if ours is None:
        print("No reference record of a longer run is shipped with this version of the book.")
        return
    kept = ours["scores"].get(row, {})
    about = ", ".join(filter(None, [
        f"ours: {ours['preset']}", ours["device"]["name"], ours["started"][:10],
        ours["code"].get("commit", "")]))
    keys = [key for key in yours if key in kept and key != "rank"]
    rows = [(key, f"{100 * yours[key]:.1f}", f"{100 * kept[key]:.1f}") for key in keys]
    if rows:
        show_table(("measure (%)", "yours", about), rows)
    theirs = [(f"{peer['source']}: {peer['about']}", peer["measure"],
               f"{100 * peer['published']:.1f}", f"{peer['gap']:+.1f}")
              for peer in peers if peer["row"] == row]
    if theirs:
        show_table(("published", "measure", "theirs (%)", "ours less theirs (points)"), theirs)
