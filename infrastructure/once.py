"""What is to happen once in a while however often it is asked for, such as one mail an hour about the same thing."""

from django.utils.crypto import salted_hmac

from infrastructure.redis import client, key, unavailable_as


def claim(*, scope: str, subject: str, holder: str, seconds: int) -> bool:
    """Tell whether the holder is the one who may act for the subject during this time: the first to ask.

    Args:
        scope: What is done.
        subject: For whom; stored only as a keyed hash.
        holder: Whoever asks, such as a job's id: who asks again, after a failure, is told the same.
        seconds: How long the claim holds.

    Raises:
        RedisUnavailable: If Redis is away.
    """
    digest = salted_hmac("infrastructure.once", subject, algorithm="sha256").hexdigest()
    with unavailable_as():
        held = client().set(key("once", scope, digest[:32]), holder, nx=True, get=True, ex=seconds)
    return held is None or held == holder.encode()
