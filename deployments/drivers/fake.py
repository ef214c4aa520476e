"""A target that plays a script: for tests of everything above the drivers.

State is files below `folder`, so that a test, the web process and Celery's workers see the same:

    <folder>/script.json        what happens: {"<instance or service or *>": Script}
    <folder>/<instance>.json    one instance that was applied
    <folder>/<instance>.log     its log

The most exact entry wins: the instance's, then the service's, then `*`; without one an instance is
running the second time somebody looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict, cast

from deployments.drivers.base import (
    ABSENT,
    Capacity,
    CheckReport,
    DriverError,
    InstanceSpec,
    InvalidSpec,
    NoCapacity,
    Observation,
    Phase,
    PortTaken,
    TargetUnreachable,
)
from deployments.logs.utf8 import decode_whole
from serving.contract import AuthDocument

_SCRIPT = "script.json"
_COUNTS = ".made"
_TARGET = "*"


class Script(TypedDict, total=False):
    """What a target or an instance plays; everything may be left out."""

    phases: list[str]  # one per look (observe), the last one stays
    exit_code: int  # these two belong to the phase "exited"
    message: str
    out_of_memory: bool
    restarts: int
    endpoint: str  # where it answers; default: the driver's
    ready: bool  # what the target itself says; default: True where no endpoint is given
    log: str  # what it writes when it starts
    unreachable: bool  # every verb fails
    no_capacity: str  # apply() fails with this sentence
    invalid: str  # apply() fails with this sentence
    port_taken: int  # apply() fails where this is the port
    broken: str  # apply() fails with this sentence, which is none of the usual kinds
    slow: float  # seconds that apply() takes
    crash: str  # "created" or "started": once, this process dies by SIGKILL there
    stays: int  # remove() must be called so often more
    keys_stuck: bool  # the instance never reports new keys


class FakeDriver:
    """See the module; the verbs hold to the contract.

    Args:
        folder: state, shared between processes.
        endpoint: where instances answer, unless their script says so.
        builds_image: whether operations have the step "Build image".
    """

    kind = "fake"

    def __init__(
        self,
        folder: str | Path,
        endpoint: str = "",
        builds_image: bool = False,
        node: str = "",
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.endpoint = endpoint
        self.builds_image = builds_image
        self.node = node

    # --- for tests -------------------------------------------------------------------------------

    def play(self, name: str, script: Script) -> None:
        """Set the script of an instance, a service or, with `*`, of the whole target."""
        with self._locked():
            scripts = self._read(_SCRIPT) or {}
            self._write(_SCRIPT, {**scripts, name: script})

    def applied(self, name: str) -> int:
        """Return how many objects were made under this name since the start."""
        counts = self._read(_COUNTS) or {}
        return int(counts.get(name, 0))

    def end(self, name: str, *, exit_code: int = 0, message: str = "") -> None:
        """Let a running instance end, as when somebody kills it; apply() starts it again."""
        with self._locked():
            found = self._instance(name)
            if found:
                ended = {"exit_code": exit_code, "message": message}
                self._write(f"{name}.json", {**found, "ended": ended})

    # --- the verbs -------------------------------------------------------------------------------

    def check(self) -> CheckReport:
        """See `base.Driver.check`."""
        if (self._read(_SCRIPT) or {}).get(_TARGET, {}).get("unreachable"):
            return CheckReport(problems=("The fake target is away, as its script says.",))
        capacity = Capacity(cpu_total=4, cpu_used=0, memory_total_mb=8192, memory_free_mb=8192)
        return CheckReport(problems=(), capacity=capacity, version="fake 1")

    def apply(self, spec: InstanceSpec) -> None:
        """See `base.Driver.apply`."""
        script = self._script(spec.name, spec.service)
        time.sleep(script.get("slow", 0.0))
        if script.get("no_capacity"):
            raise NoCapacity(script["no_capacity"])
        if script.get("invalid"):
            raise InvalidSpec(script["invalid"])
        if script.get("port_taken") == spec.port:
            raise PortTaken("The host port of this service is taken by another program.")
        if script.get("broken"):
            raise DriverError(script["broken"])
        with self._locked():
            self._create(spec)
            self._crash(spec, script, "created")
            self._start(spec, script)
        self._crash(spec, script, "started")

    def put_auth(self, name: str, folder: Path, auth: AuthDocument) -> None:
        """See `base.Driver.put_auth`."""
        with self._locked():
            found = self._instance(name)
            script = self._script(name, found["service"] if found else "")
            if found and not script.get("keys_stuck"):
                self._write(f"{name}.json", {**found, "auth": auth})

    def observe(self, name: str, folder: Path) -> Observation:
        """See `base.Driver.observe`. Each look plays the next phase."""
        with self._locked():
            found = self._instance(name)
            if found is None:
                self._script(name, "")
                return ABSENT
            script = self._script(name, found["service"])
            phase = self._phase(found, script)
            self._write(f"{name}.json", {**found, "looks": found["looks"] + 1})
        return self._observation(found, script, phase)

    def remove(self, name: str, folder: Path) -> bool:
        """See `base.Driver.remove`."""
        with self._locked():
            found = self._instance(name)
            if found is None:
                self._script(name, "")
                return True
            asked = found["removals"]
            if asked < self._script(name, found["service"]).get("stays", 0):
                self._write(f"{name}.json", {**found, "removals": asked + 1})
                return False
            for suffix in (".json", ".log"):
                (self.folder / f"{name}{suffix}").unlink(missing_ok=True)
        return True

    def logs(self, name: str, folder: Path, since: int = 0, limit: int = 65_536) -> tuple[str, int]:
        """See `base.Driver.logs`."""
        self._script(name, "")
        try:
            with (self.folder / f"{name}.log").open("rb") as log:
                log.seek(since)
                data = log.read(limit)
        except FileNotFoundError:
            return "", since
        text, taken = decode_whole(data)
        return text, since + taken

    def names(self) -> Iterator[str]:
        """See `base.Driver.names`."""
        self._script("", "")
        found = sorted(path.stem for path in self.folder.glob("*.json") if path.name != _SCRIPT)
        yield from found

    # --- state -----------------------------------------------------------------------------------

    def _create(self, spec: InstanceSpec) -> None:
        found = self._instance(spec.name)
        if found and found["digest"] == spec.digest:
            return
        made = {
            "service": spec.service,
            "digest": spec.digest,
            "port": spec.port,
            "memory_mb": spec.config["memory_mb"],
            "image": spec.image,
            "auth": spec.auth,
            "looks": 0,
            "removals": 0,
            "started": 0,
            "ended": None,
        }
        (self.folder / f"{spec.name}.log").unlink(missing_ok=True)
        self._write(f"{spec.name}.json", made)
        self._write(
            _COUNTS, {**(self._read(_COUNTS) or {}), spec.name: self.applied(spec.name) + 1}
        )

    def _start(self, spec: InstanceSpec, script: Script) -> None:
        found = self._instance(spec.name)
        if found is None:
            return
        ended = self._phase(found, script) == Phase.EXITED
        if found["started"] and not ended:
            return
        with (self.folder / f"{spec.name}.log").open("a", encoding="utf-8") as log:
            log.write(script.get("log", f"{spec.name} starts\n"))
        again = {"started": found["started"] + 1, "looks": 0, "auth": spec.auth, "ended": None}
        self._write(f"{spec.name}.json", {**found, **again})

    def _phase(self, found: dict[str, Any], script: Script) -> Phase:
        if not found["started"]:
            return Phase.PENDING
        if found["ended"]:
            return Phase.EXITED
        phases = script.get("phases") or [Phase.PENDING, Phase.RUNNING]
        return Phase(phases[min(found["looks"], len(phases) - 1)])

    def _observation(self, found: dict[str, Any], script: Script, phase: Phase) -> Observation:
        facts: dict[str, Any] = {"digest": found["digest"], "restarts": script.get("restarts", 0)}
        if phase is Phase.RUNNING:
            facts["endpoint"] = script.get("endpoint") or self.endpoint
            facts["auth_version"] = found["auth"]["version"]
            if not facts["endpoint"]:
                facts["ready"] = script.get("ready", True)
        elif phase is Phase.EXITED:
            facts["exit_code"] = script.get("exit_code", 0)
            facts["out_of_memory"] = script.get("out_of_memory", False)
        if phase in (Phase.EXITED, Phase.NO_CAPACITY):
            facts["message"] = script.get("message", "")
        facts.update(found["ended"] or {})
        return Observation(phase=phase, **facts)

    def _script(self, name: str, service: str) -> Script:
        """Return what an instance plays; raises TargetUnreachable where its script says so."""
        scripts = self._read(_SCRIPT) or {}
        service = service or name.rsplit("-", 2)[0]
        found = scripts.get(name) or scripts.get(service) or scripts.get(_TARGET) or {}
        script = cast(Script, found)
        if script.get("unreachable") or scripts.get(_TARGET, {}).get("unreachable"):
            raise TargetUnreachable("The fake target is away, as its script says.")
        return script

    def _crash(self, spec: InstanceSpec, script: Script, place: str) -> None:
        mark = self.folder / f"{spec.name}.crashed"
        if script.get("crash") == place and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def _instance(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._read(f"{name}.json")
        return found

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None

    def _write(self, name: str, document: Any) -> None:
        temporary = self.folder / f".{name}.{os.getpid()}"
        temporary.write_text(json.dumps(document))
        temporary.replace(self.folder / name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
