"""The socket of a room: a door for each frame, and a feed of what happens for all sockets of a process."""

from apps.chat.consumers.rooms import ChatConsumer

__all__ = ["ChatConsumer"]
