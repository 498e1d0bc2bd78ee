from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage


class PrivateBucket(S3Storage):
    """A bucket whose files nobody opens without a signed address that expires."""

    def __init__(self, **options: Any) -> None:
        # Servers other than AWS's seldom answer to a host name for each bucket.
        style = "path" if options["endpoint_url"] else "virtual"
        config = Config(
            s3={"addressing_style": style},
            signature_version="s3v4",
            # Within the time of a request, whatever the server does; a job comes again by itself.
            connect_timeout=1,
            read_timeout=3,
            retries={"total_max_attempts": 1},
        )
        # A key is used once: what stands under it already is not overwritten.
        super().__init__(
            client_config=config, default_acl="private", querystring_auth=True, file_overwrite=False, **options
        )

    def files(self, folder: str, *, after: str) -> Iterator[tuple[str, datetime]]:
        """Yield the name of each file below a folder and when it was written, in the order of the names.

        Args:
            after: The name behind which to begin.
        """
        place = f"{self.location}/" if self.location else ""
        found = self.bucket.objects.filter(Prefix=f"{place}{folder}/", Marker=f"{place}{after}" if after else "")
        return ((entry.key.removeprefix(place), entry.last_modified) for entry in found)
