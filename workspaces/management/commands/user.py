"""`manage.py user create|reset-password NAME`: prints the password once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workspaces.errors import Problem
from workspaces.users import user_create, user_reset_password


class Command(BaseCommand):
    help = "Make a user, or give one a new password. The password is printed and not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a user")
        create.add_argument("user")
        create.add_argument("--admin", action="store_true", help="may administer the studio")
        create.add_argument("--email", default="")
        reset = actions.add_parser("reset-password", help="give a user a new random password")
        reset.add_argument("user")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "create":
                _user, password = user_create(
                    username=options["user"], is_staff=options["admin"], email=options["email"]
                )
            else:
                password = user_reset_password(username=options["user"])
        except Problem as problem:
            sentences = [text for texts in problem.fields.values() for text in texts]
            raise CommandError(" ".join([problem.message, *sentences])) from None
        self.stdout.write(password)
