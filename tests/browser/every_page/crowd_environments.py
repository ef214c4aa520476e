"""A thousand environments, and one with the longest of everything."""

from __future__ import annotations

import sysconfig

from django.conf import settings

from deployments.building.environments import DONE_FILE
from registry.models import Environment, EnvironmentLock, EnvironmentVersion

LONGEST = "an-environment-whose-name-is-" + "very-" * 40 + "long"


def environments_write(count: int) -> None:
    names = [f"packages-{number:04d}" for number in range(count)]
    Environment.objects.bulk_create(Environment(name=name) for name in (*names, LONGEST))
    EnvironmentVersion.objects.bulk_create(
        EnvironmentVersion(environment=row, version="1", python="3.11", packages=["numpy>=2"] * 9)
        for row in Environment.objects.filter(curated=False)
    )
    _longest(Environment.objects.get(name=LONGEST), count)


def _longest(environment: Environment, count: int) -> None:
    """With `count` versions, the last of which has all there is to show, and a build."""
    environment.description = "word " * 80
    environment.save()
    EnvironmentVersion.objects.bulk_create(
        EnvironmentVersion(environment=environment, version=str(number), python="3.11")
        for number in range(2, count + 2)
    )
    last = EnvironmentVersion.objects.create(
        environment=environment,
        version=str(count + 2),
        python="3.11",
        packages=[f"a-package-with-a-long-name-{number}~=1.2.{number}" for number in range(200)],
        conda=[
            {"given": "pytorch=2.1=py311_cpu_0", "became": "torch==2.1", "missing": False,
             "note": "Its name on PyPI is torch."},
            {"given": "cudatoolkit=11.3.1", "became": "", "missing": True, "note": "word " * 60},
        ],
        variables={"A_VARIABLE": "x" * 900},
        base_image="registry.example.org:5000/" + "a-part/" * 20 + "image:1",
        docker_steps=["RUN apt-get install " + "package " * 60],
        source="models:/" + "very-" * 40 + "/1",
    )  # fmt: skip
    digest = "e" * 64
    EnvironmentLock.objects.create(
        version=last,
        python="3.11",
        platform=sysconfig.get_platform(),
        text="\n".join(f"a-package-with-a-long-name-{number}==1.2.3" for number in range(300)),
        sha256=digest,
        sizes={f"a-package-with-a-long-name-{number}": 2**20 + number for number in range(300)},
    )
    folder = settings.DATA.environments / digest
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DONE_FILE).write_text("1234567890")
