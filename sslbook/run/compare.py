"""Fair comparisons: arms that differ in one thing, each with its budget on record."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from sslbook.errors import UsageError
from sslbook.training import History, train

Budget = dict[str, Any]


def compare(
    run: Any, name: str, arms: Mapping[str, Mapping[str, Any] | History], *, change: str,
    differs: Mapping[str, str], shared: Mapping[str, Any],
) -> tuple[dict[str, History], dict[str, Budget]]:
    """(arm -> its training, arm -> its budget): what `Run.compare` describes."""
    done = [arm.name for arm in arms.values() if isinstance(arm, History)]
    start = done[0] if done else name  # whose initial weights and random numbers all arms take
    found, budgets = {}, {}
    print(textwrap.fill(f"{name}: {', '.join(arms)}.", 80), flush=True)  # training may take long
    for arm, own in arms.items():
        own = {"trained": own} if isinstance(own, History) else dict(own)
        test = {"passes": own.pop("passes", 1), "tried": own.pop("tried", 1)}
        found[arm] = own["trained"] if "trained" in own else train(
            run, **{"quiet": True, **shared, **own}, name=_file_name(f"{name}-{arm}"), start=start)
        budgets[arm] = {**_budget(found[arm]), **test}
    _refuse(name, budgets, differs)
    print(textwrap.fill(f"They differ in {change}; {_same(budgets, differs)}" + "".join(
        f"; {_WORDS[key]} differ: {why}" for key, why in differs.items()), 80))
    return found, budgets


_WORDS = {
    "images": "training images", "seen": "images seen", "steps": "numbers of steps",
    "batch_size": "batch sizes", "optimizer": "settings of the optimiser",
    "initial": "initial weights of the encoder", "passes": "passes at test time",
    "tried": "numbers of configurations tried",
}


def _budget(history: History) -> Budget:
    """What a training was given."""
    return {"images": history.images, "seen": history.steps * history.batch_size,
            "steps": history.steps, "batch_size": history.batch_size,
            "optimizer": history.optimizer, "initial": history.initial}


def _refuse(name: str, budgets: Mapping[str, Budget], differs: Mapping[str, str]) -> None:
    """Raise UsageError for arms of unequal budget, unless a reason is given for it."""
    if unknown := [key for key in differs if key not in _WORDS]:
        raise UsageError(f"{name}: {unknown[0]!r} is nothing that arms share.", "",
                         f"Take one of: {', '.join(_WORDS)}.")
    first, *others = budgets.values()
    for key, word in _WORDS.items():
        if key not in differs and any(other[key] != first[key] for other in others):
            values = ", ".join(f"{arm} {one[key]}" for arm, one in budgets.items())
            raise UsageError(f"{name}: {word} differ ({values}).", "Nothing was compared.",
                             f"Make them equal, or say why not: differs={{{key!r}: \"...\"}}.")


def _same(budgets: Mapping[str, Budget], differs: Mapping[str, str]) -> str:
    """What the arms share, in words."""
    one = next(iter(budgets.values()))
    said = {"steps": f"{one['steps']} steps", "batch_size": f"of {one['batch_size']} samples",
            "initial": "from the same initial weights"}
    return "each " + " ".join(text for key, text in said.items() if key not in differs)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")
