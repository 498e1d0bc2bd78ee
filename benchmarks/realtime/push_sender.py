"""Pushes each line of its input, a JSON object, to the room, as a service does."""

import json
import sys

import django

from infrastructure import realtime

django.setup()
for line in sys.stdin:
    realtime.push("room", json.loads(line))
