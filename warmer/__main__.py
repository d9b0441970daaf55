"""`python -m warmer`: one node's agent."""

import logging
import os
import signal
import sys

from pydantic import ValidationError

from warmer.agent import Agent
from warmer.settings import settings

log = logging.getLogger("warmer")


def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # A library's log line about a request could contain a signature.
    for name in ("azure", "urllib3", "msal"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Searches of any user must be able to read the files.
    os.umask(0o022)
    try:
        agent = Agent(settings())
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            # Not the exception itself: it repeats values, and one of them is a signature.
            log.error("the setting %s is wrong: %s", ".".join(map(str, item["loc"])), item["msg"])  # noqa: TRY400
        return 2

    def end(_number: int, _frame: object) -> None:
        agent.end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return agent.run()


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # Threads may still wait for a socket or a disk. The files that they leave have no final names yet.
    os._exit(status)
