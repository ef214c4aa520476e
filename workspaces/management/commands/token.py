"""`manage.py token create USER`: a bearer token for scripts, printed once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workspaces.errors import Problem
from workspaces.tokens import token_create
from workspaces.users import user_get


class Command(BaseCommand):
    help = "Make an API token of a user and print it. It is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help=self.help)
        create.add_argument("user", help="name of an existing user")
        create.add_argument("--name", default="command line", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = user_get(options["user"])
            if not user.is_active:
                raise CommandError(f"The user “{user.username}” is deactivated.")
            _row, plain = token_create(user=user, name=options["name"])
        except Problem as problem:
            raise CommandError(problem.message) from None
        self.stdout.write(plain)
