"""Many deploys asked for at once: all end Healthy, none is lost, pages stay responsive."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.flow.api import Api

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]


def deploy_all(api: Api, names: list[str], target: str) -> None:
    api.model("good")  # once, before the threads
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: api.deploy(name, target=target), names))


def slowest_page(api: Api, names: list[str], seconds: float) -> float:
    """Seconds of the slowest answer of the services list until all are Healthy."""
    worst, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        begun = time.monotonic()
        rows = api.get("/services?limit=100")["items"]
        worst = max(worst, time.monotonic() - begun)
        states = {row["name"]: row["state"] for row in rows}
        if all(states.get(name) == "Healthy" for name in names):
            return worst
        time.sleep(0.2)
    raise AssertionError(f"not all Healthy: {states}\n{api.studio.logs()[-4000:]}")


@pytest.mark.soak
def test_twenty_on_a_scripted_target(api: Api) -> None:
    names = [f"many-{number}" for number in range(20)]
    deploy_all(api, names, "fake")
    assert slowest_page(api, names, 180) < 5
    operations = api.get("/operations?limit=100")["items"]
    done = {row["service"] for row in operations if row["status"] == "Succeeded"}
    assert set(names) <= done
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(api.gone, names))


def test_five_on_local_processes(api: Api) -> None:
    names = [f"five-{number}" for number in range(5)]
    deploy_all(api, names, "local")
    assert slowest_page(api, names, 300) < 5
    for name in names:
        answer: httpx.Response = api.score(
            name, json={"dataframe_records": [ROW]}, headers=api.key(name)
        )
        assert answer.status_code == 200, answer.text
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(api.gone, names))


ROW = dict(
    zip(
        ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"],
        [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87],
        strict=True,
    )
)
