"""What every socket shares: who may open one, how frames are read and answered, and when it ends."""

from apps.common.consumers.base import BAD_FRAMES, BaseConsumer, ClosingError
from apps.common.consumers.declaring import Answer, takes
from apps.common.consumers.reading import SUBPROTOCOL
from apps.common.consumers.rounds import Rounds
from apps.common.consumers.together import PerLoop, Together, in_thread
from apps.common.consumers.unknown import UnknownSocketConsumer

__all__ = [
    "BAD_FRAMES",
    "SUBPROTOCOL",
    "Answer",
    "BaseConsumer",
    "ClosingError",
    "PerLoop",
    "Rounds",
    "Together",
    "UnknownSocketConsumer",
    "in_thread",
    "takes",
]
