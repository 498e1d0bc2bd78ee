class SliceError(Exception):
    """What is wrong with a request for a slice, in a sentence that says how to mend it."""
