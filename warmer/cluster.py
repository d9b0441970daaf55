"""Publishes the report as an annotation of the agent's own pod. The app reads it there."""

import json
import logging
import ssl
import time
from threading import Condition, Thread
from urllib.parse import quote

from shared.agent.report import REPORT_ANNOTATION
from warmer.http import HttpClient
from warmer.retrying import RequestFailed
from warmer.settings import AgentSettings

_LEAST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0
_TIMEOUT_SECONDS = 10.0

log = logging.getLogger("warmer")


class Publisher:
    """Sends the newest report only. It logs a failure and tries again; it never delays the agent's work."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._report: bytes | None = None
        self._is_urgent = False
        self._interval = settings.publish_seconds
        self._wake = Condition()
        self._http: HttpClient | None = None

    def start(self) -> None:
        """Start the publishing thread, if the environment names an API server and a pod."""
        if self._settings.kubernetes_service_host and self._settings.pod_name:
            Thread(target=self._work, daemon=True, name="publish").start()

    def space_out(self, seconds: float | None) -> None:
        """Let this time pass between two reports of progress, if it is longer than the settings'. Urgent reports do not wait."""
        self._interval = max(self._settings.publish_seconds, seconds or 0.0)

    def offer(self, report: bytes, *, is_urgent: bool) -> None:
        """Hand over the newest report; it replaces one that was not sent yet."""
        with self._wake:
            self._report = report
            self._is_urgent = self._is_urgent or is_urgent
            self._wake.notify()

    def _work(self) -> None:
        failures = 0
        sent = float("-inf")
        while True:
            report = self._take(sent)
            sent = time.monotonic()
            try:
                self._send(report)
                failures = 0
            except (RequestFailed, OSError) as error:
                self._http = None
                failures += 1
                log.warning("the agent could not publish its report (%d times in a row): %s", failures, error)
                with self._wake:
                    self._report = self._report or report
                    self._is_urgent = True
                # `_take` waits for the first second.
                time.sleep(min(_LONGEST_SECONDS, 2.0 ** min(failures - 1, 8)) - _LEAST_SECONDS)

    def _take(self, sent: float) -> bytes:
        with self._wake:
            while True:
                if self._report is None:
                    self._wake.wait()
                    continue
                least = _LEAST_SECONDS if self._is_urgent else self._interval
                wait = sent + least - time.monotonic()
                if wait <= 0:
                    report, self._report, self._is_urgent = self._report, None, False
                    return report
                self._wake.wait(wait)

    def _send(self, report: bytes) -> None:
        settings = self._settings
        # The token is read each time, because kubelet renews it.
        token = (settings.token_dir / "token").read_text().strip()
        if self._http is None:
            context = ssl.create_default_context(cafile=str(settings.token_dir / "ca.crt"))
            host = settings.kubernetes_service_host
            address = f"[{host}]" if ":" in host else host
            self._http = HttpClient(f"https://{address}:{settings.kubernetes_service_port}", _TIMEOUT_SECONDS, context)
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/merge-patch+json",
            "Accept": "application/json",
            "User-Agent": "shardwarm-warmer",
        }
        target = f"/api/v1/namespaces/{quote(settings.pod_namespace, safe='')}/pods/{quote(settings.pod_name, safe='')}"
        body = json.dumps({"metadata": {"annotations": {REPORT_ANNOTATION: report.decode()}}}).encode()
        with self._http.ask("PATCH", target, headers, body) as answer:
            answer.read()
