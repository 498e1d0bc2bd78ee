from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from layerline.flow.documents import page, shelf, stage
from layerline.flow.documents.declarations import DeclarationError, read


class Command(BaseCommand):
    """The pages that show what the code does, written from playing it."""

    # The gate and the server make them.
    requires_system_checks = []
    help = "Play the declared flows on a database of their own, and write their pages and pictures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="write nothing, and fail where a page has fallen behind"
        )

    def handle(self, *, check: bool, **_: Any) -> None:
        folder: Path | None = getattr(settings, "LAYERLINE_FLOWS", None)
        if folder is None:
            raise CommandError("These settings keep no database for it; `make flows` runs it under those that do.")
        try:
            texts = _texts(folder)
        except (DeclarationError, stage.StageError) as error:
            raise CommandError(str(error)) from error
        if not check:
            self.stdout.writelines(f"{line}\n" for line in shelf.put(folder, texts))
        elif faults := shelf.faults(folder, texts):
            mend = "`make flows` writes them anew; look at what changed before you commit it."
            raise CommandError("\n".join([*faults, mend]))


def _texts(folder: Path) -> dict[str, str]:
    book = read(folder)
    texts = {page.INDEX: page.index(book)}
    with stage.built() as built:
        for flow in book.flows:
            texts |= page.files(flow, built.play(flow), book, folder)
    return texts
