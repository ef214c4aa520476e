"""Load by wrk: N connections, each asks again as soon as it was answered."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FACTORS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Result:
    """Requests per second, and milliseconds of the middle and the slowest hundredth."""

    rate: float
    p50: float
    p99: float

    def as_dict(self) -> dict[str, float]:
        """Return it as JSON can hold it."""
        return asdict(self)


def measure(
    url: str, headers: Mapping[str, str], body: bytes, clients: int, seconds: float, folder: Path
) -> Result:
    """Post `body` over `clients` connections for `seconds`.

    Raises:
        RuntimeError: an answer had another status than 200, or a connection broke.
    """
    (folder / "body").write_bytes(body)
    (folder / "post.lua").write_text(_script(headers, folder / "body"))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "--latency"]
    done = subprocess.run(
        [*command, "-s", str(folder / "post.lua"), url],
        capture_output=True,
        text=True,
        timeout=seconds + 90,
        check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url}: {done.stdout}")
    return parse(done.stdout)


def _script(headers: Mapping[str, str], body: Path) -> str:
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(v)}\n" for name, v in headers.items()]
    read = f"local file = io.open({json.dumps(str(body))}, 'rb')\nwrk.body = file:read('*a')\n"
    return f"wrk.method = 'POST'\n{read}file:close()\n{''.join(lines)}"


def parse(text: str) -> Result:
    """Return what wrk's report says; raises ValueError for another text."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise ValueError(f"no report of wrk: {text[:200]!r}")
    return Result(float(rate[1]), _percentile(text, 50), _percentile(text, 99))


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {percent} % in wrk's report: {text[:200]!r}")
    return float(found[1]) * FACTORS[found[2]]
