"""Frames to whoever listens at a socket: pushed after the commit, and heard until the socket ends.

A push is a hint and no more. Whoever is not there misses it, and so does everyone while Redis is away: the store is the
truth, and a client that comes back asks it.
"""

from infrastructure.realtime.frames import Prepared, prepared
from infrastructure.realtime.hub import Listener, RealtimeUnavailable
from infrastructure.realtime.listeners import listening
from infrastructure.realtime.outlets import Outlet, outlet_of
from infrastructure.realtime.pushes import push
from infrastructure.realtime.several import push_to_each

__all__ = [
    "Listener",
    "Outlet",
    "Prepared",
    "RealtimeUnavailable",
    "listening",
    "outlet_of",
    "prepared",
    "push",
    "push_to_each",
]
