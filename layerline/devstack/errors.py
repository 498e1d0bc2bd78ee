"""What can be foreseen to go wrong."""


class DevstackError(Exception):
    """Something a person can mend. The message is all that is shown, so it tells the way out."""
