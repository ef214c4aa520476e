"""`manage.py up` from the first check to the last process: what it says, and its exit code."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from config.env import Env
from studio.supervisor import commands, folder, prepare, records, services
from studio.supervisor.problem import StartProblem
from studio.supervisor.supervisor import StopAsked, Supervisor

PREPARE_TICK = 0.2  # seconds
DOWN_TIMEOUT = 90.0


def studio_url(env: Env) -> str:
    """The address a person opens."""
    if env.public_url:
        return env.public_url
    host = commands.probe_host(env.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{env.port}"


class Up:
    """One run of the studio. `say` prints a line; `on_ready` is called once everything answers."""

    def __init__(
        self,
        env: Env,
        *,
        source_root: Path,
        bundled: bool,
        say: Callable[[str], None],
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.env, self.source_root, self.bundled = env, source_root, bundled
        self.say, self.on_ready = say, on_ready
        self.password = ""

    def run(self) -> int:
        """Run until stopped; return the exit code.

        Raises:
            StartProblem: it cannot start; nothing of it is left running.
        """
        folder.prepare(self.env)
        lock = folder.UpLock(self.env.data)
        if not lock.take():
            holder = lock.holder() or {}
            self.say(f"Slipway already runs: {holder.get('url') or studio_url(self.env)}")
            return 0
        try:
            lock.write({"url": studio_url(self.env)})
            return self._run_locked()
        finally:
            lock.release()

    def _run_locked(self) -> int:
        env = self.env
        specs = commands.specs(env, source_root=self.source_root, bundled=self.bundled)
        supervisor = Supervisor(env.data, specs, self.say)
        self._end_leftovers(supervisor.records, keep=commands.SERVING)
        self._check_port(env.port, "SLIPWAY_PORT")
        if env.redis_url:
            check_redis(env.redis_url)
        supervisor.listen()
        self._end_leftovers(supervisor.records)  # a gateway that went on serving ends last
        self._check_port(env.gateway_port, "SLIPWAY_GATEWAY_PORT")
        try:
            self._start(supervisor)
            self._announce()
            self.on_ready()
            supervisor.watch()
        except StopAsked:
            pass
        except StartProblem:
            supervisor.asked.append("stop")
            supervisor.stop()
            raise
        self.say("Stopping …")
        supervisor.stop()
        self.say("Stopped.")
        return 0

    def _start(self, supervisor: Supervisor) -> None:
        self.say("Starting Slipway …")
        supervisor.start("redis", "gateway")
        early = prepare.store_is_ready(self.env)
        if early:  # the slowest to start
            supervisor.start("tracking")
        self._prepare(supervisor)
        supervisor.wait_ready("redis")
        supervisor.start(*(() if early else ("tracking",)), "web")
        supervisor.wait_ready("redis", "gateway", "tracking", "web")
        # last, for two cores are soon busy, and a person waits for the pages first
        supervisor.start("control", "steps", "beat")

    def _end_leftovers(self, found: records.Records, *, keep: frozenset[str] = frozenset()) -> None:
        ended = found.end_leftovers(self.env.data.node_id, keep=keep)
        if ended:
            self.say(f"Ended what an earlier start left running: {', '.join(ended)}.")

    def _check_port(self, port: int, variable: str) -> None:
        problem = commands.port_problem(self.env.host, port, variable)
        if problem:
            raise StartProblem(problem)

    def _announce(self) -> None:
        self.say(f"Slipway is ready: {studio_url(self.env)}")
        self.say("  user      admin")
        if self.password:
            self.say(f"  password  {self.password}   (shown this once)")
        else:
            self.say("  password  as set before (forgotten: manage.py user reset-password admin)")

    # --- preparation --------------------------------------------------------------------------

    def _prepare(self, supervisor: Supervisor) -> None:
        """Run `studio.supervisor.prepare` and pass on what it says."""
        spec = supervisor.children["web"].spec
        log_path = self.env.data.logs / "prepare.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "studio.supervisor.prepare"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd=spec.cwd,
                env={**spec.environment, records.MARK: f"{self.env.data.node_id}:prepare"},
            )
        supervisor.records.put("prepare", folder.identity(process.pid))
        try:
            self._follow(process, supervisor)
        finally:
            records.kill_group(process.pid)
            process.wait()
            supervisor.records.drop("prepare")
        if process.returncode != 0:
            raise StartProblem(
                f"The data folder could not be prepared: {_last_line(log_path)} (log: {log_path})."
            )

    def _follow(self, process: subprocess.Popen[bytes], supervisor: Supervisor) -> None:
        assert process.stdout is not None
        pending = b""
        with process.stdout, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                supervisor.check_asked()
                if not selector.select(PREPARE_TICK):
                    continue
                chunk = os.read(process.stdout.fileno(), 65_536)
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))
                if not chunk:
                    process.wait()
                    return

    def _hear(self, message: dict[str, str]) -> None:
        if "problem" in message:
            raise StartProblem(message["problem"])
        if "progress" in message:
            self.say(f"  {message['progress']} …")
        self.password = message.get("password", self.password)


def check_redis(url: str) -> None:
    """Raise StartProblem when the Redis of REDIS_URL does not answer; the password stays secret."""
    import redis

    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    plain = url.replace("redis+socket://", "unix://", 1)
    try:
        client = redis.Redis.from_url(plain, socket_connect_timeout=3, socket_timeout=3)
        client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise StartProblem(
            f"Redis does not answer at {shown} (REDIS_URL): {str(error).rstrip('.')}."
        ) from error


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason was given")


def down(env: Env, *, keep_serving: bool, say: Callable[[str], None]) -> int:
    """Stop the studio of this data folder; return the exit code.

    Args:
        keep_serving: the gateway and the services go on, for an upgrade.
    """
    data = env.data
    holder = folder.UpLock(data).holder()
    if holder and folder.is_alive(holder):
        signal_number = commands.KEEP_SERVING_SIGNAL if keep_serving else commands.STOP_SIGNAL
        os.kill(int(holder["pid"]), signal_number)
        say("Stopping …")
        if not records.wait_for_end(holder, DOWN_TIMEOUT):
            say(f"The supervisor (pid {holder['pid']}) did not stop within {DOWN_TIMEOUT:.0f} s.")
            return 1
    keep = commands.SERVING if keep_serving else frozenset()
    ended = records.Records(data.run / "processes.json").end_leftovers(data.node_id, keep=keep)
    stopped = [] if keep_serving else services.stop_all(data.services)
    if holder or ended or stopped:
        say("Stopped; the gateway and the services go on." if keep_serving else "Stopped.")
    else:
        say(f"Nothing runs in {data.root}.")
    return 0
