from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from layerline.slices import generator
from layerline.slices.errors import SliceError

ROOT: Final = Path(__file__).resolve().parents[3]


class Command(BaseCommand):
    help = "Takes back a slice that startslice wrote here, to the byte, unless it was changed since."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the folder below apps/, such as billing")
        parser.add_argument("--force", action="store_true", help="even if it was changed since or is referred to")

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["name"]
        tables = [model._meta.db_table for model in apps.get_models() if model._meta.app_label == name]  # noqa: SLF001  # Django's documented name
        try:
            generator.destroy(name, ROOT, force=options["force"])
        except SliceError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"apps/{name} is gone, and the project does not know it any more.")
        if tables:
            self.stdout.write("A database in which it was migrated still has its table. To drop that, with its rows:")
            for table in tables:
                self.stdout.write(f'  DROP TABLE "{table}";')
            self.stdout.write(f"  DELETE FROM django_migrations WHERE app = '{name}';")  # noqa: S608  # shown, not run
            self.stdout.write("and then `manage.py remove_stale_contenttypes --include-stale-apps`.")
