"""Placement: whether an agent's pod can run on a node and, for each node where it cannot, why.

The rules are the scheduler's for a DaemonSet's pods, and kubelet's: kubelet evicts pods from a node under pressure, although the
scheduler still binds a DaemonSet's pods there. Memory and disk are matters of `sizing`: a node has room for some shards or none.
CPU and the number of pods are matters of placement: every agent requests the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from shared.errors import Code, Problem
from shared.runs.warmup.clusters import WORKLOAD_LABEL
from shared.runs.warmup.facts import NodeFacts, PodTerms, Requested, Taint, Toleration
from shared.sanitise import sanitised_line

ARCHITECTURE_LABEL = "kubernetes.io/arch"
OS_LABEL = "kubernetes.io/os"
AGENT_CPU_MILLIS = 250
"""The CPU that an agent requests, in thousandths of a core."""
_LENGTH = 120
_DETAILS = 5
_NOTHING = Requested()
_NAMED = 2

_ALWAYS_BORNE = frozenset(
    f"node.kubernetes.io/{name}"
    for name in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
"""The taints that every DaemonSet's pods bear. The node's conditions say the same, and those are what counts here."""

_PASSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "node.cilium.io/")
"""Taints under these prefixes mark a node that is only starting, or out of order for now."""

_LEAVING = frozenset({"ToBeDeletedByClusterAutoscaler", "remediator.kubernetes.azure.com/unschedulable"})
"""The taints of nodes that the autoscaler removes, and of those that AKS drains before it reclaims a spot machine."""


class Unfit(StrEnum):
    """Why a node cannot take an agent. The codes are a contract: never renamed."""

    NOT_READY = "NodeNotReady"
    CORDONED = "NodeCordoned"
    LEAVING = "NodeLeaving"
    PRESSED = "NodeUnderPressure"
    TAINTED = "NodeTainted"
    ANOTHER_SYSTEM = "NodeOperatingSystem"
    ANOTHER_ARCHITECTURE = "NodeArchitecture"
    LABEL_MISSING = "NodeLabelMissing"
    FULL = "NodeFull"


_GOES_BY = frozenset({Unfit.NOT_READY, Unfit.CORDONED, Unfit.LEAVING})
"""A node with one of these is never waited for: it comes or goes by itself, or an operator has taken it out."""


class Obstacle(NamedTuple):
    """One reason why a node cannot take an agent. `message` follows the node's name in a sentence."""

    reason: Unfit
    message: str


class Placed(NamedTuple):
    """The nodes that can take an agent, by name, and the obstacles of the others."""

    fit: frozenset[str]
    unfit: dict[str, tuple[Obstacle, ...]]

    @property
    def details(self) -> tuple[Problem, ...]:
        """Why nodes cannot take an agent: the first few, those first that only a person can help."""
        ordered = sorted(self.unfit.items(), key=lambda item: (not _is_lasting(item[1]), item[0]))
        return tuple(_problem(name, found) for name, found in ordered[:_DETAILS])


def terms_of(tolerations: Sequence[Toleration] = (), architectures: Sequence[str] = ("amd64",)) -> PodTerms:
    """The terms of agents' pods: the workload pool's label and taint, Linux, and what the settings say."""
    label, value = WORKLOAD_LABEL
    own = Toleration(label, value, "NoSchedule")
    return PodTerms(
        selector={label: value, OS_LABEL: "linux"},
        architectures=tuple(architectures),
        tolerations=(own, *(one for one in tolerations if one != own)),
    )


def obstacles(node: NodeFacts, terms: PodTerms, requested: Requested = _NOTHING) -> tuple[Obstacle, ...]:
    """Why an agent's pod cannot run on a node; empty when it can. `requested` is what other pods request there."""
    return (*_obstacles(node, terms), *_crowding(node, requested))


def place(nodes: Iterable[NodeFacts], terms: PodTerms, requested: Mapping[str, Requested] = MappingProxyType({})) -> Placed:
    """Divide nodes into those that can take an agent and the others. `requested` is what other pods request on each node."""
    found = {node.name: obstacles(node, terms, requested.get(node.name, _NOTHING)) for node in nodes}
    unfit = {name: why for name, why in found.items() if why}
    return Placed(frozenset(found.keys() - unfit.keys()), unfit)


def refusal(placed: Placed, *, strict: bool) -> Problem | None:
    """The problem that prevents a plan on these nodes; None when there is a node to plan onto.

    A strict plan needs every node of the pool, except for nodes that are cordoned, not ready or leaving.
    """
    label = "=".join(WORKLOAD_LABEL)
    count = len(placed.fit) + len(placed.unfit)
    if not count:
        message = f"No node has the label {label}. Add nodes to the workload pool, or start those that it has."
        return Problem(code=Code.NO_READY_NODES, message=message)
    lasting = [name for name, why in placed.unfit.items() if _is_lasting(why)]
    if placed.fit and not (strict and lasting):
        return None
    details = placed.details
    named = "; ".join(f"{one.target} {_said(placed.unfit[one.target or ''])}" for one in details[:_NAMED])
    more = f"; and {len(placed.unfit) - _NAMED} more" if len(placed.unfit) > _NAMED else ""
    if not placed.fit:
        message = f"None of the {count} nodes with the label {label} can take an agent: {named}{more}."
        return Problem(code=Code.NODES_UNFIT if lasting else Code.NO_READY_NODES, message=message, details=details)
    message = (
        f"{len(lasting)} of the {count} nodes with the label {label} cannot take an agent: {named}{more}. Change them, or plan "
        'without them by "require_all_nodes": false.'
    )
    return Problem(code=Code.NODES_UNFIT, message=message, details=details)


def _obstacles(node: NodeFacts, terms: PodTerms) -> Iterator[Obstacle]:
    if not node.ready:
        yield Obstacle(Unfit.NOT_READY, "is not ready")
    if not node.schedulable:
        yield Obstacle(Unfit.CORDONED, "is cordoned")
    for taint in node.taints:
        found = _of_taint(taint, terms)
        if found is not None:
            yield found
    for pressure in node.pressures:
        yield Obstacle(Unfit.PRESSED, f"is under {pressure}, so kubelet evicts pods there")
    for label, value in terms.selector.items():
        has = node.labels.get(label)
        if has != value and label == OS_LABEL and has is not None:
            yield Obstacle(Unfit.ANOTHER_SYSTEM, f"runs {has}, and agents run on {value}")
        elif has != value:
            yield Obstacle(Unfit.LABEL_MISSING, f"lacks the label {label}={value}")
    architecture = node.labels.get(ARCHITECTURE_LABEL, "an unknown architecture")
    if terms.architectures and architecture not in terms.architectures:
        images = ", ".join(terms.architectures)
        yield Obstacle(Unfit.ANOTHER_ARCHITECTURE, f"is {architecture}, and the agents' image is for {images}")


def _crowding(node: NodeFacts, requested: Requested) -> Iterator[Obstacle]:
    if node.cpu_millis is not None and node.cpu_millis - requested.cpu_millis < AGENT_CPU_MILLIS:
        left = max(0, node.cpu_millis - requested.cpu_millis)
        yield Obstacle(Unfit.FULL, f"has {left}m of {node.cpu_millis}m CPU left, and an agent requests {AGENT_CPU_MILLIS}m")
    if node.pods is not None and node.pods <= requested.pods:
        yield Obstacle(Unfit.FULL, f"may run {node.pods} pods and has {requested.pods}")


def _of_taint(taint: Taint, terms: PodTerms) -> Obstacle | None:
    if taint.effect == "PreferNoSchedule" or taint.key in _ALWAYS_BORNE or any(one.bears(taint) for one in terms.tolerations):
        return None
    if taint.key in _LEAVING:
        return Obstacle(Unfit.LEAVING, f"is being removed ({taint})")
    if taint.key.startswith(_PASSING):
        return Obstacle(Unfit.NOT_READY, f"is not in order yet ({taint})")
    return Obstacle(Unfit.TAINTED, f"has the taint {taint}, which agents do not tolerate")


def _is_lasting(found: Sequence[Obstacle]) -> bool:
    return not any(one.reason in _GOES_BY for one in found)


def _problem(name: str, found: Sequence[Obstacle]) -> Problem:
    return Problem(code=Code.NODES_UNFIT, message=sanitised_line(f"{found[0].reason}: {_said(found)}", _LENGTH), target=name)


def _said(found: Sequence[Obstacle]) -> str:
    return sanitised_line(" and ".join(one.message for one in found), _LENGTH)
