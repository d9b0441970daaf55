"""The steps of a reconcile pass: survey, repair what is safe within the budget, report the rest. Each notes what it did."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from orchestrators.lease import HeldLease, now
from orchestrators.reconcile_prune import prune
from orchestrators.reconcile_report import PassReport
from orchestrators.shard_child import refusal_of
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, ask, call_all, run, signal
from shared.runs.ids import EXPIRY_ENTITY, LEASE_ENTITY, UPLOAD_ENTITY
from shared.runs.leases import NamedRun, Reply
from shared.runs.operations import ReconcileProgress
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.reconcile.children import prepare_run, shard_run
from shared.runs.reconcile.payloads import (
    AccountSurvey,
    CheckWarmup,
    Corrected,
    CorrectMetadata,
    DeadHolder,
    DeadSettle,
    Drifted,
    HubSurvey,
    Purged,
    PurgeRuns,
    ReconcileRun,
    SurveyAccount,
    SurveyHub,
    WarmDatabase,
    WarmupCheck,
)
from shared.runs.reconcile.result import ReconcileResult
from shared.runs.shard.payloads import ShardRun
from shared.runs.upload.transitions import Revive
from shared.runs.warmup.expiry import Rewarm, Rewarmed

_PURGE_EVERY = 6
"""Purging reads the hub's whole history, so only every sixth pass does it."""


class ReconcileSteps:
    """One pass's steps."""

    def __init__(
        self,
        ctx: Context,
        request: ReconcileRun,
        lease: HeldLease,
        status: RunStatus[ReconcileProgress],
        log: logging.LoggerAdapter[Any],
    ) -> None:
        self._ctx = ctx
        self._request = request
        self._lease = lease
        self._status = status
        self._report = PassReport(request.terms.most_actions, log)
        self._databases = self._pages = 0

    def survey_hub(self) -> Steps[HubSurvey]:
        """Survey the task hub.

        Raises:
            StepFailedError: the hub does not answer.
        """
        look = SurveyHub(accounts=self._request.accounts, most=self._request.terms.most_actions, turn=self._request.number)
        return (yield from run(self._ctx, "survey_hub", look, HubSurvey, self._request.terms.retry))

    def free(self, dead: DeadHolder) -> Steps[None]:
        """Release a lease in the name of its dead holder. Nothing happens if another run has taken it."""
        if not self._report.take():
            return
        reply = yield from ask(self._ctx, LEASE_ENTITY, dead.key, "release", NamedRun(run=dead.run), Reply)
        if reply.granted:
            self._report.repaired("release", dead.key, "dead holder", dead.run)

    def account(self, account: str) -> Steps[None]:
        """Survey an account and repair its databases."""
        survey = yield from self._survey(account, "")
        yield from self._repair(account, survey)
        for initial in survey.initials:
            part = yield from self._survey(account, initial)
            yield from self._repair(account, part)

    def revive(self, dead: DeadSettle) -> None:
        """Start another settle for an upload whose settle died. Nothing happens if that settle has been replaced or has ended."""
        if not self._report.take():
            return
        revival = Revive(presumed_dead=dead.run, now=now(self._ctx), settle=dead.settle)
        signal(self._ctx, UPLOAD_ENTITY, dead.settle.key, "revive", revival)
        self._report.repaired("revive", dead.settle.key, "dead settle", dead.run)

    def warm(self, warm: WarmDatabase) -> Steps[None]:
        """Check a warm database, and start its warmup again if its nodes have changed."""
        self._lease.stop_if_canceled()
        target = f"{warm.cluster.name}/{warm.db}"
        if warm.overdue is not None:
            self._report.report(target, "release", warm.overdue)
            return
        try:
            check = CheckWarmup(warm=warm)
            checked = yield from run(self._ctx, "check_warmup", check, WarmupCheck, self._request.terms.retry)
        except StepFailedError as error:
            self._report.report(target, "unknown", error.problem.message)
            return
        if checked.trouble is not None:
            self._report.report(target, "warmth", checked.trouble)
        if checked.again is None or not self._report.take():
            return
        again = Rewarm(run=f"{self._ctx.instance_id}-warm-{self._report.repairs}", seen=warm.run, now=now(self._ctx))
        rewarmed = yield from ask(self._ctx, EXPIRY_ENTITY, warm.key, "rewarm", again, Rewarmed)
        if rewarmed.started:
            self._report.repaired("warm", target, "warmth", checked.again)
        else:
            self._report.report(target, "warmth", f"{checked.again}; warming it again did not help a short while ago")

    def purge(self) -> Steps[None]:
        """Purge runs and entities past their retention, in every sixth pass."""
        if self._request.number % _PURGE_EVERY != 1:
            return
        purge = PurgeRuns(retention_seconds=self._request.terms.retention_seconds)
        try:
            purged = yield from run(self._ctx, "purge_runs", purge, Purged, self._request.terms.retry)
        except StepFailedError as error:
            self._report.report("task hub", "purge", error.problem.message)
            return
        if purged.runs or purged.entities:
            self._report.purged(f"{purged.runs} runs, {purged.entities} entities")

    def result(self, outcome: Literal["reconciled", "canceled"]) -> ReconcileResult:
        """The result of the pass so far."""
        return self._report.result(outcome, self._request.accounts, self._databases, self._pages)

    def show(self, phase: Literal["looking", "healing", "done", "canceled"]) -> None:
        """Show the pass's progress."""
        progress = ReconcileProgress(
            phase=phase, databases_total=self._databases, healed=self._report.repairs, told=self._report.reports
        )
        self._status.show(progress)

    def _survey(self, account: str, initial: str) -> Steps[AccountSurvey]:
        self._lease.stop_if_canceled()
        request = self._request
        look = SurveyAccount(account=account, terms=request.terms, turn=request.number, initial=initial)
        try:
            survey = yield from run(self._ctx, "survey_account", look, AccountSurvey, request.terms.retry)
        except StepFailedError as error:
            survey = AccountSurvey(problem=error.problem)
        if survey.problem is not None:
            self._report.report(account, "unknown", survey.problem.message)
        self._databases += survey.databases
        self._pages += survey.pages
        self._report.postponed += survey.left
        self.show("looking")
        return survey

    def _repair(self, account: str, survey: AccountSurvey) -> Steps[None]:
        for found in survey.to_tell:
            self._report.report(f"{account}/{found.db}", found.reason, found.detail)
        to_shard: list[Drifted] = []
        to_prepare: list[Drifted] = []
        for found in survey.to_heal:
            self._lease.stop_if_canceled()
            budget = self._report.budget
            if not budget:
                self._report.postponed += 1
            elif (yield from self._prepare(account, found)):
                # A correction that changed something has also paid for the run that follows it.
                has_taken = self._report.budget < budget
                to_shard += [found] if found.shard and (has_taken or self._report.take()) else []
                to_prepare += [found] if found.prepare and self._report.take() else []
        self.show("healing")
        yield from self._lease.renew()
        yield from self._shard(account, to_shard)
        yield from self._finish(account, to_prepare)

    def _prepare(self, account: str, found: Drifted) -> Steps[bool]:
        """Correct the metadata and prune ghosts before a run. Returns whether the run may follow."""
        if found.correct and not (yield from self._correct(account, found)):
            return False
        return not found.prune or (yield from self._prune(account, found))

    def _prune(self, account: str, found: Drifted) -> Steps[bool]:
        """Remove ghosts under the database's lease; False when they stay."""
        target = f"{account}/{found.db}"
        pruned = yield from prune(self._ctx, account, found, self._request.terms)
        if pruned.problem is not None:
            self._report.report(target, found.reason, pruned.problem.message)
            return False
        if pruned.blobs:
            self._report.repaired("prune", target, found.reason, f"{pruned.volumes} volumes, {pruned.blobs} blobs")
        return bool(pruned.blobs)

    def _correct(self, account: str, found: Drifted) -> Steps[bool]:
        """Correct the metadata; False when that failed, or when a living run is at work on the database."""
        target = f"{account}/{found.db}"
        gone, describe = found.reason == "gone", found.reason == "headers"
        correction = CorrectMetadata(account=account, db=found.db, gone=gone, describe=describe, finish=found.prepare)
        try:
            corrected = yield from run(self._ctx, "correct_metadata", correction, Corrected, self._request.terms.retry)
        except StepFailedError as error:
            corrected = Corrected(problem=error.problem)
        if corrected.problem is not None:
            self._report.report(target, found.reason, corrected.problem.message)
        if corrected.changes:
            self._report.take()
            self._report.repaired("correct", target, found.reason, "; ".join(corrected.changes))
        return not corrected.busy and corrected.problem is None

    def _shard(self, account: str, drifted: list[Drifted]) -> Steps[None]:
        terms, prefix = self._request.terms, self._prefix("shard")
        runs: list[ShardRun] = []
        for place, found in enumerate(drifted):
            is_new = found.reason in {"never", "stale", "mark"}
            refusal = (yield from refusal_of(self._ctx, account, found.db, terms.retry)) if is_new else None
            runs.append(shard_run(account, found, terms, f"{prefix}-{place}", refusal))
        yield from self._run_children("shard", account, drifted, runs)

    def _finish(self, account: str, drifted: list[Drifted]) -> Steps[None]:
        terms, prefix = self._request.terms, self._prefix("prepare")
        runs = [prepare_run(account, found, terms, f"{prefix}-{place}") for place, found in enumerate(drifted)]
        yield from self._run_children("prepare", account, drifted, runs)

    def _prefix(self, orchestrator: str) -> str:
        # The count of repairs makes the ids differ from those of the pass's other children.
        return f"{self._ctx.instance_id}-{orchestrator}-{self._report.repairs}"

    def _run_children(
        self,
        orchestrator: Literal["shard", "prepare"],
        account: str,
        drifted: list[Drifted],
        runs: Sequence[ShardRun | PrepareRun],
    ) -> Steps[None]:
        if not runs:
            return
        patience = timedelta(seconds=self._request.terms.patience_seconds)
        ends = yield from call_all(self._ctx, orchestrator, [(child.run, child) for child in runs], patience)
        for found, end in zip(drifted, ends, strict=True):
            outcome = "still under way" if end is None else end or "done"
            self._report.repaired(orchestrator, f"{account}/{found.db}", found.reason, f"{found.detail}: {outcome}")
        self.show("healing")
