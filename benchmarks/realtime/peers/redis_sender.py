"""Publishes each line of its input over Redis."""

import os
import sys

from redis import Redis

redis = Redis.from_url(os.environ["REDIS_URL"])
for line in sys.stdin:
    redis.publish(os.environ["PREFIX"], line.rstrip("\n"))
