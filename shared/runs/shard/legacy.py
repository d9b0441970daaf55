"""What travels of the replaced system's shard sets, so that a run that replaces them records them first."""

from shared.blastdb.generations import Generation
from shared.blastdb.layout import Layout
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.runs.payload import Payload


class LegacySets(Payload):
    """The replaced system's layouts, with what else their record needs."""

    generation: Generation
    volumes: VolumeSet
    statistics: Statistics | None
    layouts: tuple[Layout, ...]
