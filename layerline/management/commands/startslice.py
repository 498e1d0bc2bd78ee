from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from layerline.slices import generator, plan
from layerline.slices.errors import SliceError

ROOT: Final = Path(__file__).resolve().parents[3]


class Command(BaseCommand):
    help = (
        "Writes a whole slice, from the model to the tests, and makes it known to the project. "
        "Example: startslice billing Invoice number:str:32 total:decimal paid:bool 'due:date?' "
        "state:choice:draft|sent customer:ref:users.User"
    )
    # The project may be broken in a way that a new slice is to mend.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the folder below apps/, such as billing")
        parser.add_argument(
            "model", nargs="*", help="a model and its fields: Invoice number:str:32 paid:bool note:text?"
        )
        parser.add_argument("--socket", action="store_true", help="push changes to sockets, and take them from sockets")
        parser.add_argument("--without", default="", help=f"parts to leave out, of {','.join(plan.PARTS)}")
        parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            without = [*filter(None, options["without"].split(","))]
            slice_ = plan.parse(options["name"], options["model"], without, socket=options["socket"])
            if options["dry_run"]:
                self.stdout.write(generator.preview(slice_, ROOT))
                return
            written = generator.start(slice_, ROOT)
        except SliceError as error:
            raise CommandError(str(error)) from None
        self.stdout.write("\n".join(written))
        self.stdout.write(
            f"\n{len(written)} files, and the project knows the slice. Next:\n"
            f'  make manage ARGS="migrate"\n'
            f'  make test ARGS="apps/{slice_.name} tests/test_routes.py"\n'
            f'To take it back: make manage ARGS="destroyslice {slice_.name}"'
        )
