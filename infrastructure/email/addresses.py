"""The one spelling of a mail address, for whoever stores, compares or counts them."""

from unicodedata import normalize


def normalize_address(address: str) -> str:
    """Return the address in NFKC and lower case, without space around it.

    Lower case may leave NFKC (as with U+2126, the Ohm sign), so it is normalised on both sides.
    """
    return normalize("NFKC", normalize("NFKC", address).strip().lower())
