"""A proxy in front of one HTTP service: it delays, counts, fails, holds and cuts requests on demand.

Stands between the app and the storage emulator in benchmarks, failure tests and the demo; the app cannot tell.
"""

from local.proxy.records import Record, longest_chain
from local.proxy.rules import Fault, Held, Rule
from local.proxy.server import Proxy
from local.proxy.wire import Request

__all__ = ["Fault", "Held", "Proxy", "Record", "Request", "Rule", "longest_chain"]
