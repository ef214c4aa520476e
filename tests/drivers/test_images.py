"""Images: shared layers, failures in plain words, cancel, and a real model from build to answer."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.building import image_removal, images
from deployments.building.images import BuildCancelled, Builder, BuildFailed
from deployments.drivers.base import InvalidSpec
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_build import cause
from tests.drivers.cases import until

pytestmark = pytest.mark.docker
MARK = "slipway.test-build"
SMALL = "six==1.16.0\n"
IMPATIENT = {"UV_HTTP_RETRIES": "0"}


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module", autouse=True)
def clean_up() -> Iterator[None]:
    """Removes what these tests built, when all have run; base, tools and runtime images stay."""
    yield
    driver = DockerDriver()
    for image in driver.client.images(filters={"label": [f"{MARK}=1"]}):
        for tag in image["RepoTags"] or []:
            if tag.startswith("slipway/environment:"):
                image_removal.image_remove(driver, tag)
    driver.client.prune_images({"dangling": True, "label": f"{MARK}=1"})


@pytest.fixture
def builder(base_image: str, lines: list[str]) -> Iterator[Builder]:
    """A builder of a node of its own, whose service images are removed afterwards."""
    driver = DockerDriver(node=f"test{uuid.uuid4().hex[:8]}", base_image=base_image)
    yield Builder(driver, base_image, lines.append, cancelled=lambda: False, labels={MARK: "1"})
    for tag in image_removal.service_images(driver):
        image_removal.image_remove(driver, tag)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A folder that stands for a model: only its files matter here."""
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "deep" / "weights.bin").write_bytes(bytes(1000))
    return folder


def environment(builder: Builder, lock: str = "") -> str:
    lock = lock or f"{SMALL}# {uuid.uuid4().hex}\n"
    return images.environment_image(builder, lock_text=lock, environment_hash="h")


def service(builder: Builder, root: Path, model: Path, environment_tag: str, sha: str) -> str:
    return images.service_image(
        builder,
        environment=environment_tag,
        runtime_root=root,
        model_dir=model,
        model_sha256=sha,
    )


def layers(builder: Builder, tag: str) -> list[str]:
    found: list[str] = builder.driver.client.inspect_image(tag)["RootFS"]["Layers"]
    return found


def containers_of_builds(driver: DockerDriver) -> int:
    """Return how many containers of these builds there are: they inherit the image's label."""
    return len(driver.client.containers(all=True, filters={"label": f"{MARK}=1"}))


def test_the_output_is_streamed_line_by_line(builder: Builder, lines: list[str]) -> None:
    environment(builder)
    assert any("six==1.16.0" in line for line in lines)
    assert all("\n" not in line and "\x1b" not in line for line in lines)


def test_an_environment_that_exists_is_used_again_at_once(builder: Builder) -> None:
    lock = f"{SMALL}# {uuid.uuid4().hex}\n"
    first = environment(builder, lock)
    began = time.monotonic()
    assert environment(builder, lock) == first
    assert time.monotonic() - began < 5


def test_another_lock_is_another_environment(builder: Builder) -> None:
    assert environment(builder, SMALL) != environment(builder, "six==1.17.0\n")


def test_two_models_share_every_layer_but_their_files(
    builder: Builder, source_root: Path, model_dir: Path
) -> None:
    packages = environment(builder, SMALL)
    one = service(builder, source_root, model_dir, packages, sha="1" * 64)
    (model_dir / "deep" / "weights.bin").write_bytes(bytes(1001))
    other = service(builder, source_root, model_dir, packages, sha="2" * 64)
    assert one != other
    assert layers(builder, one)[:-1] == layers(builder, other)[:-1]
    assert layers(builder, one)[: len(layers(builder, packages))] == layers(builder, packages)


def test_a_service_image_that_exists_is_used_again_at_once(
    builder: Builder, source_root: Path, model_dir: Path
) -> None:
    packages = environment(builder, SMALL)
    first = service(builder, source_root, model_dir, packages, sha="1" * 64)
    began = time.monotonic()
    assert service(builder, source_root, model_dir, packages, sha="1" * 64) == first
    assert time.monotonic() - began < 5


def test_a_service_image_says_what_is_in_it_and_runs_as_no_root(
    builder: Builder, source_root: Path, model_dir: Path
) -> None:
    tag = service(builder, source_root, model_dir, environment(builder, SMALL), sha="1" * 64)
    config = builder.driver.client.inspect_image(tag)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["slipway.model"] == "1" * 64
    assert config["Labels"]["slipway.node"] == builder.driver.node
    assert image_removal.service_images(builder.driver) == [tag]


def test_a_package_that_does_not_exist_is_named(builder: Builder, lines: list[str]) -> None:
    with pytest.raises(BuildFailed, match="slipway-no-such-package does not exist"):
        environment(builder, "slipway-no-such-package==1.0\n")
    assert any("slipway-no-such-package" in line for line in lines)


def test_a_version_that_does_not_exist_is_named(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match=r"No version of six==99\.0 on the package index"):
        environment(builder, "six==99.0\n")


def test_a_package_without_a_wheel_for_this_python_is_named(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match=r"tensorflow==1\.0.* not for this Python"):
        environment(builder, "tensorflow==1.0.0\n")


def test_a_package_that_is_only_source_is_not_built_unasked(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match="only there as source"):
        environment(builder, "scikit-learn==0.18.0\n")


def test_a_changed_package_is_refused(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match=r"six==1\.16\.0 on the index is not the one in the lock"):
        environment(builder, f"six==1.16.0 --hash=sha256:{'0' * 64}\n")


def test_a_build_without_a_network_says_so(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match="could not reach the package index"):
        environment(dataclasses.replace(builder, network="none", environment=IMPATIENT))


def test_build_arguments_reach_the_build_and_not_the_service(builder: Builder) -> None:
    wrong = {"UV_INDEX_URL": "http://127.0.0.1:9/simple", **IMPATIENT}
    with pytest.raises(BuildFailed, match="could not reach the package index"):
        environment(dataclasses.replace(builder, environment=wrong))
    fine = {"UV_CONCURRENT_DOWNLOADS": "3"}
    tag = environment(dataclasses.replace(builder, environment=fine))
    variables = builder.driver.client.inspect_image(tag)["Config"]["Env"]
    assert not [entry for entry in variables if entry.startswith("UV_CONCURRENT")]


def test_a_base_image_that_cannot_be_fetched_says_what_to_set(
    builder: Builder, settings: Any
) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, base_images=("127.0.0.1:9/*",))
    nowhere = dataclasses.replace(builder, base_image="127.0.0.1:9/nobody/nothing:1")
    with pytest.raises(BuildFailed, match="SLIPWAY_BASE_IMAGE"):
        environment(nowhere)


def test_a_failed_build_leaves_no_container(builder: Builder) -> None:
    with pytest.raises(BuildFailed):
        environment(builder, "slipway-no-such-package==1.0\n")
    until(lambda: containers_of_builds(builder.driver) == 0)


def test_cancelling_ends_a_silent_build_and_leaves_no_container(builder: Builder) -> None:
    cancel = threading.Event()
    running = threading.Event()

    def log(line: str) -> None:
        if "Running in" in line:
            running.set()

    def when_it_runs() -> None:
        running.wait(30)
        cancel.set()

    threading.Thread(target=when_it_runs, daemon=True).start()
    watched = dataclasses.replace(builder, log=log, cancelled=cancel.is_set)
    lock = f"pyarrow\npandas\nscikit-learn\n# {uuid.uuid4().hex}\n"
    with pytest.raises(BuildCancelled):
        environment(watched, lock)
    assert running.is_set()
    until(lambda: containers_of_builds(builder.driver) == 0)
    again = dataclasses.replace(builder, cancelled=lambda: True)
    with pytest.raises(BuildCancelled):  # nothing was published: it would be found, not built
        environment(again, lock)


def test_a_build_that_takes_too_long_is_ended(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match="took longer than"):
        environment(dataclasses.replace(builder, timeout=0.5), f"pyarrow\n# {uuid.uuid4().hex}\n")


def test_an_image_in_use_stays_and_one_that_is_gone_is_no_error(
    builder: Builder, source_root: Path, model_dir: Path
) -> None:
    driver = builder.driver
    tag = service(builder, source_root, model_dir, environment(builder, SMALL), sha="3" * 64)
    container = driver.client.create_container(tag, labels={"slipway.test": "1"})["Id"]
    assert image_removal.image_remove(driver, tag) is False
    driver.client.remove_container(container)
    assert image_removal.image_remove(driver, tag) is True
    assert image_removal.image_remove(driver, tag) is True
    assert image_removal.service_images(driver) == []


def load_old(driver: DockerDriver, tag: str, kind: str) -> None:
    """Put an empty image of years ago on the engine."""
    config = {
        "created": "2020-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"slipway.image": kind}},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": []}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as out:
        for name, document in (("config.json", config), ("manifest.json", manifest)):
            data = json.dumps(document).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    driver.client.load_image(archive.getvalue())


def test_runtimes_of_earlier_versions_go_and_the_present_one_stays(
    builder: Builder, source_root: Path
) -> None:
    root = source_root
    current = images.runtime_image(builder, runtime_root=root)
    old = f"slipway/runtime:test{uuid.uuid4().hex[:8]}"
    foreign = f"slipway-else/runtime:test{uuid.uuid4().hex[:8]}"
    for tag in (old, foreign):
        load_old(builder.driver, tag, "runtime")
    gone = image_removal.shared_images_remove_old(
        builder.driver, base_image=builder.base_image, runtime_root=root
    )
    assert old in gone
    assert image_removal.image_remove(builder.driver, foreign)
    assert not {current, foreign} & set(gone)
    assert builder.driver.client.images(name=current)


def test_the_python_of_a_base_image_is_asked_once(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = images.base_image_python(builder.driver, builder.base_image)
    assert version == "3.11"
    monkeypatch.setattr(builder.driver.client, "create_container", None)
    assert images.base_image_python(builder.driver, builder.base_image) == version


def test_an_image_without_python_is_an_invalid_base(builder: Builder, docker_play: str) -> None:
    client = builder.driver.client
    made = client.create_container(docker_play, ["rm", "/usr/bin/python3"], user="0")["Id"]
    client.start(made)
    client.wait(made)
    tag = f"slipway/test-nopython:{uuid.uuid4().hex[:8]}"
    client.commit(made, *tag.split(":"))
    client.remove_container(made)
    try:
        with pytest.raises(InvalidSpec, match="has no python3"):
            images.base_image_python(builder.driver, tag)
    finally:
        client.remove_image(tag)


def test_an_unknown_base_image_is_an_invalid_base(builder: Builder) -> None:
    with pytest.raises(InvalidSpec, match="nothing:9 is not on this Docker host"):
        images.base_image_python(builder.driver, "nothing:9")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "disk of the Docker host is full"),
        ("invalid peer certificate: UnknownIssuer", "certificate is not trusted"),
        ("Because you require a==1 and b==2, we can", "contradict each other: a==1 and b==2"),
        ("returned a non-zero code: 137", "ran out of memory"),
        ("pull access denied for nobody/x, repository", "base image nobody/x, cannot"),
        ("error: the oddest thing", "The build failed: error: the oddest thing"),
    ],
)
def test_causes_are_told_in_plain_words(line: str, sentence: str) -> None:
    assert sentence in cause(["Step 1/2 : FROM x", line]).replace(" cannot", ", cannot")
