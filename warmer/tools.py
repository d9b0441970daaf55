"""What every step of a staging works with."""

from threading import Event
from typing import NamedTuple

from warmer.board import Board
from warmer.home import Home
from warmer.reporting import Reporter
from warmer.settings import Settings
from warmer.storage import Storage


class Tools(NamedTuple):
    """`stop` ends all work early; it is new for each attempt, since a failed copy sets it too."""

    settings: Settings
    home: Home
    storage: Storage
    board: Board
    reporter: Reporter
    stop: Event
