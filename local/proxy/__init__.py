"""A proxy in front of one HTTP service: it delays, counts, fails, holds and cuts requests on demand.

Benchmarks, failure tests and the demo put it between a client and its server, which cannot tell.
"""

from local.proxy.records import Record, longest_chain
from local.proxy.rules import Fault, Held, Rule
from local.proxy.server import Proxy
from local.proxy.wire import Request

__all__ = ["Fault", "Held", "Proxy", "Record", "Request", "Rule", "longest_chain"]
