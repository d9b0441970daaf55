"""Azure VM sizes and their memory: a fallback for nodes that do not report their capacity.

The listed sizes are the replaced system's (contract 1.10), with its approximate list prices. For the families below them a rule
gives the memory; they have no price.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

GIBIBYTE = 2**30
UNKNOWN_MEMORY_BYTES = 64 * GIBIBYTE
"""The memory assumed for a size that is not in the table: the replaced system's value, no larger than those of blast pools."""

_PREFIX = "Standard_"
# Kernel and firmware take up to 3 % of the nominal memory (128 GiB: a node reports 125.8). One twentieth leaves a margin.
_SEEN_BY_NODES = (19, 20)


class Machine(NamedTuple):
    """One VM size. `memory_gib` is its nominal memory; `usd_per_hour` is approximate, None when not recorded."""

    name: str
    vcpus: int
    memory_gib: int
    usd_per_hour: float | None

    @property
    def memory_bytes(self) -> int:
        """The nominal memory in bytes."""
        return self.memory_gib * GIBIBYTE

    @property
    def dependable_bytes(self) -> int:
        """The memory that a node of this size reports at least; advice uses it, so that following the advice works."""
        part, whole = _SEEN_BY_NODES
        return self.memory_bytes * part // whole


_LISTED = """
    D2s_v3 2 8 0.096        D4s_v3 4 16 0.192       D2as_v7 2 8 -           D4as_v7 4 16 -
    HB120rs_v3 120 480 3.6  HC44rs 44 352 3.168     HB60rs 60 240 2.28
    D8s_v3 8 32 0.384       D16s_v3 16 64 0.768     D32s_v3 32 128 1.536    D64s_v3 64 256 3.072
    E64s_v3 64 432 3.629    E64is_v3 64 504 3.629
    E16s_v5 16 128 1.008    E32s_v5 32 256 2.016    E48s_v5 48 384 3.024    E64s_v5 64 512 4.032    E96s_v5 96 672 6.048
    E16as_v7 16 128 1.008   E32as_v7 32 256 2.016   E48as_v7 48 384 3.024
    E16bs_v5 16 128 1.192   E32bs_v5 32 256 2.432   E48bs_v5 48 384 3.576   E64bs_v5 64 512 4.864   E96bs_v5 96 672 7.296
    L8s_v3 8 64 0.624       L16s_v3 16 128 1.248    L32s_v3 32 256 2.496
    L48s_v3 48 384 3.744    L64s_v3 64 512 4.992    L80s_v3 80 640 6.24
    L8as_v3 8 64 0.624      L16as_v3 16 128 1.248   L32as_v3 32 256 2.496
    L48as_v3 48 384 3.744   L64as_v3 64 512 4.992   L80as_v3 80 640 6.24
"""
"""Name, vCPUs, GiB, dollars an hour."""

# D sizes have 4 GiB for each vCPU and E sizes 8, except the largest E sizes, which have less.
_D_SIZES = (2, 4, 8, 16, 32, 48, 64, 96)
_E_SIZES = (2, 4, 8, 16, 20, 32, 48, 64)
_E96_GIB = 672
_D_FAMILIES = ("s_v5", "ds_v5", "as_v5", "ads_v5")
_E_FAMILIES = ("s_v5", "ds_v5", "as_v5", "ads_v5")


def _rows() -> Iterator[Machine]:
    # The E64s_v3 is listed above, because it has 432 GiB, against the rule. There is no D96s_v3 and no E96s_v3.
    for vcpus in _E_SIZES[:-1]:
        yield Machine(f"{_PREFIX}E{vcpus}s_v3", vcpus, 8 * vcpus, None)
    yield Machine(f"{_PREFIX}D48s_v3", 48, 192, None)
    for family in _D_FAMILIES:
        for vcpus in _D_SIZES:
            yield Machine(f"{_PREFIX}D{vcpus}{family}", vcpus, 4 * vcpus, None)
    for family in _E_FAMILIES:
        for vcpus in _E_SIZES:
            yield Machine(f"{_PREFIX}E{vcpus}{family}", vcpus, 8 * vcpus, None)
        yield Machine(f"{_PREFIX}E96{family}", 96, _E96_GIB, None)
    fields = iter(_LISTED.split())
    for name, vcpus, memory, price in zip(fields, fields, fields, fields, strict=True):
        yield Machine(_PREFIX + name, int(vcpus), int(memory), None if price == "-" else float(price))


MACHINES: Mapping[str, Machine] = MappingProxyType({row.name: row for row in _rows()})
_BY_LOWER_CASE = {name.lower(): name for name in MACHINES}


def normalise(name: str) -> str:
    """The name as Azure spells it, found without regard to case and with or without `Standard_`; an unknown name is unchanged."""
    if name in MACHINES:
        return name
    lower = name.lower()
    return _BY_LOWER_CASE.get(lower) or _BY_LOWER_CASE.get(_PREFIX.lower() + lower) or name


def machine(name: str) -> Machine | None:
    """The VM size of a name, or None when it is not in the table."""
    return MACHINES.get(normalise(name))


def memory_bytes(name: str) -> int:
    """The assumed memory of a node of this VM size."""
    known = machine(name)
    return known.memory_bytes if known else UNKNOWN_MEMORY_BYTES


def cheapest_with(memory: int, *, at_least: Machine | None = None) -> Machine | None:
    """The cheapest VM size whose nodes report at least this memory; sizes with a recorded price come first.

    Never a downgrade: it has no fewer vCPUs and no less memory than `at_least`. None when the table has no size that large.
    """
    least_vcpus, least_gib = (at_least.vcpus, at_least.memory_gib) if at_least else (0, 0)
    fitting = (
        row
        for row in MACHINES.values()
        if row.dependable_bytes >= memory and row.vcpus >= least_vcpus and row.memory_gib >= least_gib
    )
    return min(fitting, key=_preference, default=None)


def _preference(row: Machine) -> tuple[bool, float, int, str]:
    return row.usd_per_hour is None, row.usd_per_hour or 0.0, row.memory_gib, row.name
