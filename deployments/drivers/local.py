"""Local target: each replica is a master process in a session of its own on this machine.

The driver never guesses by pid whether a replica runs: a lock on its folder is held from before its
master is started until it ends (the driver takes it, the master inherits it), and the master writes
its record there (serving/contract.py). What the folder holds is all the state there is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from deployments import guarded
from deployments.building.pythons import service_account
from deployments.drivers.base import (
    ABSENT,
    EXIT_KILLED,
    Capacity,
    CheckReport,
    DriverError,
    InstanceSpec,
    InvalidSpec,
    NoCapacity,
    Observation,
    Phase,
)
from deployments.drivers.local_files import explained, last_line, read_document
from deployments.logs.utf8 import decode_whole
from serving.contract import (
    AUTH_FILE,
    CONFIG_FILE,
    EXIT_OUT_OF_MEMORY,
    LOCK_FILE,
    LOG_FILE,
    METRICS_FILES,
    RECORD_FILE,
    STOP_FILE,
    AuthDocument,
)

MB = 1024 * 1024
LAUNCH_FILE = "launched"  # its master was started; absent: whoever applied died before that
GRACE_SECONDS = 10.0  # between asking a master to stop and killing its group


class LocalDriver:
    """See `deployments.drivers.base.Driver`.

    Args:
        services: folder of all replica folders, `<service>/<revision>/<replica>/`.
        user: account that runs services when the studio itself was started as root.
        reserve_bytes: free disk below which nothing new is started.
    """

    kind = "local"
    builds_image = False

    def __init__(self, services: Path, user: str, reserve_bytes: int = 0) -> None:
        self.services = services
        self.user = user
        self.reserve_bytes = reserve_bytes

    def check(self) -> CheckReport:
        problems = [*self._account_problems(), *self._disk_problems()]
        memory = psutil.virtual_memory()
        capacity = Capacity(
            cpu_total=float(os.cpu_count() or 1),
            cpu_used=round(psutil.cpu_percent(interval=0.1) / 100 * (os.cpu_count() or 1), 2),
            memory_total_mb=memory.total / MB,
            memory_free_mb=memory.available / MB,
        )
        return CheckReport(tuple(problems), capacity, version=os.uname().release)

    def _account_problems(self) -> Iterator[str]:
        if os.geteuid() != 0:
            return
        try:
            account = pwd.getpwnam(self.user)
        except KeyError:
            yield f"There is no user {self.user}; set SLIPWAY_SERVICE_USER to one that exists."
            return
        closed = _closed_to(account, self.services)
        if closed is not None:
            yield (
                f"User {self.user} cannot reach {closed}; move SLIPWAY_DATA_DIR to a folder "
                "that others may pass through, or start the studio as an ordinary user."
            )

    def _disk_problems(self) -> Iterator[str]:
        place = next(path for path in (self.services, *self.services.parents) if path.exists())
        free = shutil.disk_usage(place).free
        if free < self.reserve_bytes:
            kept = self.reserve_bytes // MB
            yield f"Only {free // MB} MB of disk are free; {kept} MB are kept free."

    @explained()
    def apply(self, spec: InstanceSpec) -> None:
        """See `base.Driver.apply`. Another digest ends the old process first: apply it again."""
        _check_parts(spec)
        folder = spec.folder
        self._make_folder(folder)
        with _lock_of(folder) as lock:
            if lock is None:
                self._converge_running(spec)
                return
            _forget(folder)
            self._check_room(spec)
            self._write(folder / CONFIG_FILE, self._config(spec), 0o600)
            self._write(folder / AUTH_FILE, spec.auth, 0o600)
            self._launch(spec, lock)
            self._write(folder / LAUNCH_FILE, {}, 0o600)

    def _converge_running(self, spec: InstanceSpec) -> None:
        found = read_document(spec.folder / RECORD_FILE) or read_document(spec.folder / CONFIG_FILE)
        if found is None:
            return  # somebody else is applying at this moment
        if found["digest"] != spec.digest:
            self._ask_to_stop(spec.folder)

    def _config(self, spec: InstanceSpec) -> dict[str, Any]:
        return {
            **spec.config,
            "host": "127.0.0.1",
            "port": spec.port,
            "model_dir": str(spec.model_dir),
        }

    def _check_room(self, spec: InstanceSpec) -> None:
        wanted = spec.config["memory_mb"]
        memory = psutil.virtual_memory()
        if wanted > memory.total / MB:
            raise InvalidSpec(
                f"{wanted} MB of memory were asked for; this machine has {memory.total // MB} MB."
            )
        if wanted > memory.available / MB:
            raise NoCapacity(
                f"{wanted} MB of memory were asked for; {memory.available // MB} MB are free now."
            )

    def _launch(self, spec: InstanceSpec, lock: int) -> None:
        python, boot = _programs(spec)
        log = spec.folder / LOG_FILE
        descriptor = guarded.file_open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            guarded.give(descriptor, service_account(self.user))
            # the shell ends at once, so the master is no child of a worker that may die
            command = ["/bin/sh", "-c", '"$@" & exit 0', "sh", str(python), str(boot)]
            subprocess.run(
                [*command, "replica", "--dir", str(spec.folder), "--lock-fd", str(lock)],
                pass_fds=(lock,),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd=spec.folder,
                env=_environment(spec),
                start_new_session=True,
                timeout=10,
                check=True,
                umask=0o077,
                **service_account(self.user),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise DriverError(f"The service's process could not be started: {error}") from error
        finally:
            os.close(descriptor)

    @explained()
    def put_auth(self, name: str, folder: Path, auth: AuthDocument) -> None:
        if (folder / CONFIG_FILE).exists():
            self._write(folder / AUTH_FILE, auth, 0o600)

    @explained()
    def observe(self, name: str, folder: Path) -> Observation:
        config = read_document(folder / CONFIG_FILE)
        if config is None:
            return ABSENT
        with _lock_of(folder) as lock:
            record = read_document(folder / RECORD_FILE)
            if lock is not None:
                return _observe_ended(folder, config, record)
        if record is None or record["phase"] == "exited":
            return Observation(Phase.PENDING, digest=config["digest"])
        return Observation(
            Phase.RUNNING,
            digest=record["digest"],
            endpoint=f"http://127.0.0.1:{config['port']}",
            restarts=record["restarts"],
            message=record["message"],
            auth_version=record["auth_version"],
        )

    @explained()
    def remove(self, name: str, folder: Path) -> bool:
        if not folder.exists():
            return True
        # without its configuration a master that is only just starting ends by itself
        (folder / CONFIG_FILE).unlink(missing_ok=True)
        with _lock_of(folder) as lock:
            if lock is not None:
                _forget(folder)
                return True
        self._ask_to_stop(folder)
        return False

    def _ask_to_stop(self, folder: Path) -> None:
        stop = folder / STOP_FILE
        try:
            asked = time.time() - stop.stat().st_mtime
        except OSError:
            self._write(stop, {}, 0o600)
            return
        if asked > GRACE_SECONDS:
            _kill(read_document(folder / RECORD_FILE), folder.stat().st_uid)

    def logs(self, name: str, folder: Path, since: int = 0, limit: int = 65_536) -> tuple[str, int]:
        since = max(0, since)
        try:
            log = guarded.file_open(folder / LOG_FILE, os.O_RDONLY)
            with os.fdopen(log, "rb") as stream:
                if since > os.fstat(stream.fileno()).st_size:
                    since = 0  # the log was rotated
                stream.seek(since)
                data = stream.read(limit)
        except OSError:
            return "", since
        text, taken = decode_whole(data)
        return text, since + taken

    def names(self) -> Iterator[str]:
        for path in self.services.glob(f"*/*/*/{CONFIG_FILE}"):
            service, revision, replica = path.parts[-4:-1]
            yield f"{service}-{revision}-{replica}"

    # --- files that the service's own account may read ------------------------------------------

    def _make_folder(self, folder: Path) -> None:
        for parent in (folder.parent.parent, folder.parent):
            if not parent.is_dir():
                parent.mkdir(parents=True, exist_ok=True)
                parent.chmod(0o711)  # whatever the umask is: the service passes through
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        account = service_account(self.user)
        if account:
            os.chown(folder, account["user"], account["group"], follow_symlinks=False)

    def _write(self, path: Path, document: Mapping[str, Any], mode: int) -> None:
        content = json.dumps(document).encode()
        guarded.file_write(path, content, mode, service_account(self.user))


def model_environment(environment_dir: Path | None, home: Path) -> dict[str, str]:
    """What a model's process sees: none of the studio's settings or secrets."""
    return {
        "PATH": f"{environment_dir}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": str(environment_dir),
    }


def _environment(spec: InstanceSpec) -> dict[str, str]:
    given = spec.config.get("environment", {})
    return model_environment(spec.environment_dir, spec.folder) | given


def _programs(spec: InstanceSpec) -> tuple[Path, Path]:
    """The environment's Python and the runtime's start program."""
    if spec.environment_dir is None or spec.runtime_dir is None:
        raise InvalidSpec("A local service needs an environment.")
    return spec.environment_dir / "bin" / "python", spec.runtime_dir / "serving" / "boot.py"


def _check_parts(spec: InstanceSpec) -> None:
    for needed in (*_programs(spec), spec.model_dir):
        if not needed.exists():
            raise InvalidSpec(f"{needed} is missing; deploy again.")


@contextlib.contextmanager
def _lock_of(folder: Path) -> Iterator[int | None]:
    """The folder's lock, held meanwhile and by every process that inherits it.

    None when a master runs in this folder.
    """
    descriptor = guarded.file_open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield descriptor
    finally:
        os.close(descriptor)


def _observe_ended(
    folder: Path, config: Mapping[str, Any], record: Mapping[str, Any] | None
) -> Observation:
    digest = config["digest"]
    if record is None:
        if not (folder / LAUNCH_FILE).exists():
            return Observation(Phase.PENDING, digest=digest)
        message = f"The process did not start. {last_line(folder / LOG_FILE)}".strip()
        return Observation(Phase.EXITED, digest=digest, message=message)
    if record["phase"] != "exited":
        message = "The process was killed."
        return Observation(Phase.EXITED, record["digest"], exit_code=EXIT_KILLED, message=message)
    return Observation(
        Phase.EXITED,
        digest=record["digest"],
        restarts=record["restarts"],
        exit_code=record["exit_code"],
        message=record["message"],
        out_of_memory=record["exit_code"] == EXIT_OUT_OF_MEMORY,
    )


def _forget(folder: Path) -> None:
    for name in (RECORD_FILE, LAUNCH_FILE, STOP_FILE, CONFIG_FILE, AUTH_FILE):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob(METRICS_FILES):
        path.unlink(missing_ok=True)


def _kill(record: Mapping[str, Any] | None, uid: int) -> None:
    """End a master that does not stop, if its pid is still that very process.

    Args:
        uid: whose folder it is: the record may name any process, and only its own are ended.
    """
    if record is None:
        return
    try:
        process = psutil.Process(int(record["pid"]))
        is_same = abs(process.create_time() - float(record["create_time"])) <= 1
        if not is_same or process.uids().real != uid:
            return
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)


def _closed_to(account: pwd.struct_passwd, path: Path) -> Path | None:
    """The first folder on the way to `path` that this account may not pass through."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            return None
        status = folder.stat()
        if status.st_uid == account.pw_uid:
            bit = 0o100
        elif status.st_gid == account.pw_gid:
            bit = 0o010
        else:
            bit = 0o001
        if not status.st_mode & bit:
            return folder
    return None
