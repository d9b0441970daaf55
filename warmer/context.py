"""The context of one attempt: settings, folder, storage, progress, reporter and the event that stops it."""

from threading import Event
from typing import NamedTuple

from warmer.node_folder import NodeFolder
from warmer.progress import TaskProgress
from warmer.reporting import Reporter
from warmer.settings import AgentSettings
from warmer.storage import Storage


class Context(NamedTuple):
    """`stop` ends all work early; it is new for each attempt, since a failed copy sets it too."""

    settings: AgentSettings
    node_folder: NodeFolder
    storage: Storage
    progress: TaskProgress
    reporter: Reporter
    stop: Event
