"""Environments that people can name: reads of one version by its reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from registry.models import EnvironmentVersion
from workspaces.errors import Invalid, NotFound

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}", re.ASCII)
_REFERENCE = re.compile(rf"({NAME.pattern})(?::([0-9]{{1,9}}))?", re.ASCII)


@dataclass(frozen=True)
class EnvironmentInfo:
    """What a version of an environment asks for.

    Attributes:
        python: minor, such as "3.11".
        packages: lines as of requirements.txt, without options, addresses and files.
        variables: set for the service's processes.
        base_image: "" is the studio's own, SLIPWAY_BASE_IMAGE.
        docker_steps: Dockerfile instructions that follow the base image, one logical line each.
    """

    name: str
    version: str
    python: str
    packages: tuple[str, ...]
    variables: Mapping[str, str]
    base_image: str
    docker_steps: tuple[str, ...]

    @property
    def ref(self) -> str:
        """`NAME:VERSION`, as an inference configuration names it."""
        return f"{self.name}:{self.version}"


def environment_get(ref: str) -> EnvironmentInfo:
    """What `NAME` (its latest version that is not archived) or `NAME:VERSION` stands for.

    Raises:
        Invalid: `ref` is no such name; on the field `environment`.
        NotFound: there is none of this name or version; on the field `environment`.
    """
    return info_of(version_row(ref))


def version_row(ref: Any) -> EnvironmentVersion:
    """The row of `NAME` or `NAME:VERSION`, with its environment. Raises: as `environment_get`."""
    match = _REFERENCE.fullmatch(ref) if isinstance(ref, str) else None
    if match is None:
        text = _("An environment is named NAME or NAME:VERSION, such as “my-packages:2”.")
        raise Invalid(text, fields={"environment": [text]})
    name, version = match[1], match[2]
    rows = EnvironmentVersion.objects.select_related("environment").filter(environment__name=name)
    rows = rows.filter(version=version) if version else rows.filter(archived=False)
    row = rows.order_by("-pk").first()
    if row is None:
        text = _("There is no environment “%(ref)s”.") % {"ref": ref}
        raise NotFound(text, fields={"environment": [text]})
    return row


def info_of(row: EnvironmentVersion) -> EnvironmentInfo:
    """The values of a row."""
    return EnvironmentInfo(
        name=row.environment.name,
        version=row.version,
        python=row.python,
        packages=tuple(row.packages),
        variables=dict(row.variables),
        base_image=row.base_image,
        docker_steps=tuple(row.docker_steps),
    )
