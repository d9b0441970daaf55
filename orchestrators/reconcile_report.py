"""The report of a reconcile pass: what it repaired and what it only reports, and the budget that bounds its repairs."""

import logging
from collections.abc import Sequence
from typing import Any, Literal

from shared.runs.reconcile.result import Act, Action, Count, ReconcileResult

_NAMED = 20
_LONGEST = 120


class PassReport:
    """One pass's repairs and reports. Each is logged with its reason and counted; the first 20 are named in the result.

    `repairs` counts repairs, `reports` what a person must repair, `postponed` what the budget left for a later pass.
    """

    def __init__(self, budget: int, log: logging.LoggerAdapter[Any]) -> None:
        self._log = log
        self._actions: list[Action] = []
        self._counts: dict[tuple[str, str], int] = {}
        self.budget = budget
        self.repairs = self.reports = self.postponed = 0

    def take(self) -> bool:
        """Take one repair from the budget; False, and one more postponed, when the budget is used up."""
        if not self.budget:
            self.postponed += 1
            return False
        self.budget -= 1
        return True

    def repaired(self, action: Act, target: str, reason: str, outcome: str) -> None:
        """Note a repair."""
        self.repairs += 1
        self._note(action, target, reason, outcome)
        self._log.info(f"Repaired {target}: {action} because of {reason}: {outcome}")

    def report(self, target: str, reason: str, detail: str) -> None:
        """Note a drift that this pass does not repair."""
        self.reports += 1
        self._note("tell", target, reason, detail)
        self._log.warning(f"Reported {target}: {reason}: {detail}")

    def purged(self, what: str) -> None:
        """Note what was purged, which is no repair."""
        self._note("purge", "task hub", "retention", what)
        self._log.info(f"Purged {what}.")

    def result(
        self, outcome: Literal["reconciled", "canceled"], accounts: Sequence[str], databases: int, pages: int
    ) -> ReconcileResult:
        """The result of the pass so far."""
        return ReconcileResult(
            outcome=outcome,
            accounts=tuple(accounts),
            databases=databases,
            pages=pages,
            healed=self.repairs,
            told=self.reports,
            left=self.postponed,
            counts=tuple(Count(action=act, reason=why, times=times) for (act, why), times in sorted(self._counts.items())),
            actions=tuple(self._actions[:_NAMED]),
        )

    def _note(self, action: Act, target: str, reason: str, outcome: str) -> None:
        self._counts[action, reason] = self._counts.get((action, reason), 0) + 1
        self._actions.append(Action(target=target, action=action, reason=reason, outcome=outcome[:_LONGEST]))
