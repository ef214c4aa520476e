"""Images of services, in layers that are shared: base → tools → environment → runtime → model.

    slipway/base:<hash>         the base image after the Docker steps of an environment that has any
    slipway/tools:<hash>        the base image, uv and the user; one per base image
    slipway/environment:<hash>  a model's packages; one per lock, shared by every model that has it
    slipway/runtime:<hash>      serving/ and its packages; one per version of Slipway
    slipway/service:<hash>      an environment, the runtime copied in, a model's files

A tag is the hash of everything that goes in, so what exists is right and is used again. The
Dockerfiles are for the classic builder: the SDK has no BuildKit.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deployments.building.base_images import fetch_refused
from deployments.building.image_runs import base_image_python, exists, image_id
from deployments.building.system_packages import system_steps
from deployments.drivers import docker_build
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_build import BuildCancelled, BuildFailed, Watch
from deployments.drivers.docker_context import Entry, pack, sources, tree
from deployments.drivers.docker_layout import (
    ENVIRONMENT_DIR,
    ENVIRONMENT_LABEL,
    HOME_DIR,
    IMAGE_LABEL,
    INNER_PORT,
    MODEL_DIR,
    MODEL_LABEL,
    NODE_LABEL,
    REPLICA_DIR,
    RUNTIME_DIR,
    TOOLS_DIR,
    USER_ID,
)

__all__ = [
    "BuildCancelled",
    "BuildFailed",
    "Builder",
    "base_image_python",
    "base_image_ready",
    "environment_image",
    "runtime_image",
    "service_image",
    "shared_images",
]

_UV = f"{TOOLS_DIR}/bin/uv"
_SHELL = 'SHELL ["/bin/sh", "-c"]'
_INSTALL = f"{_UV} pip install --no-cache --no-progress --compile-bytecode"


@dataclass(frozen=True)
class Builder:
    """What all builds of one operation share.

    Args:
        driver: the engine that builds and keeps the images.
        base_image: its name, for example `python:3.11-slim`; fetched when the engine has it not.
        log: called with each line of output.
        cancelled: asked several times a second; True ends the build.
        environment: build arguments, for example PIP_CERT or UV_INDEX_URL. They are visible in
            the image's history: never secrets.
        network: of the build's containers; empty: Docker's default, "host" where that has no way
            out.
        timeout: seconds for one image.
        labels: added to the images of environments and services.
    """

    driver: DockerDriver
    base_image: str
    log: Callable[[str], None]
    cancelled: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    timeout: float = 1800.0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def watch(self) -> Watch:
        """Who follows the build."""
        return Watch(self.log, self.cancelled, self.timeout)


def environment_image(
    builder: Builder,
    *,
    lock_text: str,
    environment_hash: str,
    wheels_only: bool = True,
    steps: Sequence[str] = (),
) -> str:
    """Return the tag of the image with a model's packages; builds it when there is none.

    Args:
        lock_text: requirements with exact versions, and hashes where known.
        environment_hash: of (lock, Python minor, platform).
        wheels_only: False also builds packages from source, which needs a compiler in the base.
        steps: Dockerfile instructions that follow the base image, one line each. After them
            follow those of `system_steps`.

    Raises:
        BuildFailed, BuildCancelled, TargetUnreachable.
    """
    tools = _tools_image(builder, (*steps, *_as_root(system_steps(lock_text))))
    only = "--no-build " if wheels_only else ""
    dockerfile = f"""
        COPY requirements.lock {ENVIRONMENT_DIR}.lock
        RUN {_UV} venv --quiet --python python3 {ENVIRONMENT_DIR} \\
         && {_INSTALL} {only}--python {ENVIRONMENT_DIR}/bin/python -r {ENVIRONMENT_DIR}.lock
    """
    files = [Entry.text("requirements.lock", lock_text)]
    labels = {IMAGE_LABEL: "environment", ENVIRONMENT_LABEL: environment_hash}
    return _ensure(builder, tools, dockerfile, files, labels, content=lock_text)


def runtime_image(builder: Builder, *, runtime_root: Path) -> str:
    """Return the tag of the image that services copy the runtime from.

    Args:
        runtime_root: folder that holds `serving/` with its `requirements.lock`.

    Raises:
        BuildFailed, BuildCancelled, TargetUnreachable.
    """
    tools = _tools_image(builder)
    source = list(sources(runtime_root / "serving"))
    labels = {IMAGE_LABEL: "runtime"}
    return _ensure(builder, tools, _RUNTIME_STEPS, source, labels, content=_content(source))


_RUNTIME_STEPS = f"""
        COPY serving/requirements.lock {RUNTIME_DIR}.lock
        RUN {_INSTALL} --no-build --python python3 --target {RUNTIME_DIR} -r {RUNTIME_DIR}.lock
        COPY serving {RUNTIME_DIR}/serving
        RUN python3 -m compileall -q {RUNTIME_DIR}/serving
    """


def _content(files: Iterable[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in files:
        digest.update(f"{entry.name}\0".encode() + entry.read() + b"\0")
    return digest.hexdigest()


def service_image(
    builder: Builder,
    *,
    environment: str,
    runtime_root: Path,
    model_dir: Path,
    model_sha256: str,
    more: Sequence[tuple[Path, str]] = (),
) -> str:
    """Return the tag of a service's image; builds it when there is none. Needs no network.

    Args:
        environment: tag from `environment_image`.
        runtime_root: as for `runtime_image`.
        model_dir: an MLflow model folder.
        model_sha256: of its manifest.
        more: folders that go in beside it and their places; each is named by its content.

    Raises:
        BuildFailed, BuildCancelled, TargetUnreachable.
    """
    runtime = runtime_image(builder, runtime_root=runtime_root)
    copies = "".join(
        f"        COPY more/{number} {place}\n" for number, (_, place) in enumerate(more)
    )
    dockerfile = f"""
        COPY --from={runtime} {RUNTIME_DIR} {RUNTIME_DIR}
        COPY model {MODEL_DIR}
{copies}        USER {USER_ID}:{USER_ID}
    """
    labels = {IMAGE_LABEL: "service", MODEL_LABEL: model_sha256, NODE_LABEL: builder.driver.node}
    files = [*tree(model_dir, "model"), *_more_files(more)]
    content = " ".join(path.name for path, _ in more)
    return _ensure(builder, environment, dockerfile, files, labels, content=content)


def _more_files(more: Sequence[tuple[Path, str]]) -> Iterator[Entry]:
    for number, (path, _) in enumerate(more):
        for entry in tree(path, f"more/{number}"):
            if "__pycache__" not in entry.name:
                yield entry


def shared_images(driver: DockerDriver, base_image: str, runtime_root: Path) -> set[str]:
    """The tags of the tools and runtime images that are built on now; none without a base image."""
    if not exists(driver, base_image):
        return set()
    tools = _tag(driver, base_image, _tools_steps(), {IMAGE_LABEL: "tools"})
    current = {tools}
    if exists(driver, tools):
        content = _content(sources(runtime_root / "serving"))
        current.add(_tag(driver, tools, _RUNTIME_STEPS, {IMAGE_LABEL: "runtime"}, content))
    return current


def base_image_ready(builder: Builder) -> str:
    """Fetch the base image when the engine has it not; returns its Python minor.

    Raises:
        BuildFailed, BuildCancelled, InvalidSpec, TargetUnreachable.
    """
    _fetch_base(builder)
    return base_image_python(builder.driver, builder.base_image)


# --- building -------------------------------------------------------------------------------------


def _tools_image(builder: Builder, steps: Sequence[str] = ()) -> str:
    """The base image with uv (4 times as fast as pip here) and the user that services run as.

    What to run is said here already and inherited: the classic builder makes a container for each
    instruction, and a service's own image has to be quick.
    """
    _fetch_base(builder)
    base = _stepped_base(builder, steps)
    return _ensure(builder, base, _tools_steps(), [], {IMAGE_LABEL: "tools"})


def _stepped_base(builder: Builder, steps: Sequence[str]) -> str:
    """The base image after an environment's own steps, which start as root.

    Below the tools, which say anew who the user is, where it works and what is run.
    """
    if not steps:
        return builder.base_image
    text = "\n".join((*_as_root(steps), _SHELL)) + "\n"
    return _ensure(builder, builder.base_image, text, [], {IMAGE_LABEL: "base"})


def _as_root(steps: Sequence[str]) -> tuple[str, ...]:
    """Steps that start as root and in the usual shell, whatever those before them said."""
    return ("USER 0:0", _SHELL, *steps) if steps else ()


def _tools_steps() -> str:
    uv = importlib.metadata.version("uv")
    program = f'"{ENVIRONMENT_DIR}/bin/python", "{RUNTIME_DIR}/serving/boot.py"'
    user = f"slipway:x:{USER_ID}:{USER_ID}::{HOME_DIR}:/bin/false"
    return f"""
        USER 0:0
        RUN echo '{user}' >> /etc/passwd && echo 'slipway:x:{USER_ID}:' >> /etc/group \\
         && mkdir -p {REPLICA_DIR} {HOME_DIR} && chown {USER_ID}:{USER_ID} {REPLICA_DIR} {HOME_DIR}
        ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy PATH={ENVIRONMENT_DIR}/bin:$PATH \\
            HOME={HOME_DIR} SLIPWAY_LOG=stdout PYTHONUNBUFFERED=1
        RUN python3 -m venv {TOOLS_DIR} \\
         && {TOOLS_DIR}/bin/pip install --no-cache-dir --progress-bar off uv=={uv}
        WORKDIR {REPLICA_DIR}
        EXPOSE {INNER_PORT}
        HEALTHCHECK NONE
        ENTRYPOINT []
        CMD [{program}, "replica", "--dir", "{REPLICA_DIR}"]
    """


def _tag(
    driver: DockerDriver, parent: str, steps: str, labels: Mapping[str, str], content: str = ""
) -> str:
    """The tag of an image: the hash of the parent's id, the steps, the labels and `content`."""
    wish = [image_id(driver, parent), steps, _label(labels), content]
    digest = hashlib.sha256("\0".join(wish).encode()).hexdigest()
    return f"slipway/{labels[IMAGE_LABEL]}:{digest[:12]}"


def _ensure(
    builder: Builder,
    parent: str,
    steps: str,
    files: Iterable[Entry],
    labels: Mapping[str, str],
    content: str = "",
) -> str:
    """Build `steps` on `parent` unless that was done before; returns the tag."""
    kind = labels[IMAGE_LABEL]
    tag = _tag(builder.driver, parent, steps, labels, content)
    if exists(builder.driver, tag):
        builder.log(f"Using image {tag}, which exists")
        return tag
    builder.log(f"Building image {tag}")
    arguments = "".join(f"ARG {name}\n" for name in sorted(builder.environment))
    # At first the labels by which `images_prune` finds what a failed build leaves, at last those
    # that would keep two images from sharing the layers between.
    shared = kind in ("tools", "runtime")  # labels are inherited: theirs would be everyone's
    first = _label({**({} if shared else builder.labels), IMAGE_LABEL: kind})
    dockerfile = f"FROM {parent}\n{first}{arguments}{textwrap.dedent(steps)}{_label(labels)}"
    with tempfile.TemporaryFile() as context:
        pack(context, [Entry.text("Dockerfile", dockerfile), *files])
        docker_build.build(
            builder.driver.base_url,
            context,
            builder.watch,
            tag=tag,
            buildargs=dict(builder.environment),
            network_mode=builder.network or None,
        )
    return tag


def _label(labels: Mapping[str, str]) -> str:
    """Return one instruction for all labels: each instruction is a container for the builder."""
    pairs = " ".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items()))
    return f"LABEL {pairs}\n"


def _fetch_base(builder: Builder) -> None:
    if not exists(builder.driver, builder.base_image):
        if sentence := fetch_refused(builder.base_image):
            raise BuildFailed(sentence)
        builder.log(f"Fetching base image {builder.base_image}")
        docker_build.pull(builder.driver.base_url, builder.base_image, builder.watch)
