"""The master of one replica: starts its workers, watches them, and says how they are.

It holds the folder's lock for as long as it lives, owns the listening socket (a restarted worker
finds the waiting connections still there), and needs nothing but the standard library and psutil.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import selectors
import signal
import socket
import time
from pathlib import Path
from types import FrameType

from serving import contract, cpu, logs
from serving.contract import STUCK_SECONDS, ReplicaConfig
from serving.descriptors import raise_limit
from serving.files import read_json
from serving.record import Recorder
from serving.workers import Worker

log = logging.getLogger("serving.master")

LOADING_TICK = 0.2  # seconds between looks at memory while a model loads
STEADY_TICK = 0.5  # seconds between looks for the stop file
MEMORY_EVERY = 1.0
RECORD_EVERY = 2.0
BIND_SECONDS = 2.0  # workers of a killed master may hold the port for a moment
BACKLOG = 2048
FILES = 65536
FIRST_BACKOFF, LAST_BACKOFF = 0.1, 30.0  # seconds; doubles per crash
CALM_SECONDS = 60.0  # a worker that was ready for so long starts again at the first backoff
HALTED_SECONDS = 3.0  # without a turn of the loop: this process itself was halted
DRAIN_SLACK = 5.0  # seconds beyond the scoring timeout before a draining worker is killed


def run_replica(folder: Path, lock_fd: int | None = None) -> int:
    """Run the replica described by `folder`/service.json until it is stopped.

    `lock_fd` is a descriptor on which whoever started this process took the folder's lock for it.
    Returns one of contract.EXIT_*. EXIT_LOCKED leaves the folder's record untouched.
    """
    folder = folder.resolve()
    logs.setup()
    lock = _take_lock(folder) if lock_fd is None else lock_fd
    if lock is None:
        log.error("another master already runs this replica")
        return contract.EXIT_LOCKED
    os.set_inheritable(lock, False)
    raise_limit(FILES)  # workers inherit it, and each connection is a file
    try:
        return _run_locked(folder, read_json(folder / contract.CONFIG_FILE))
    finally:
        os.close(lock)


def _take_lock(folder: Path) -> int | None:
    descriptor = os.open(folder / contract.LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _run_locked(folder: Path, config: ReplicaConfig) -> int:
    with contextlib.suppress(FileNotFoundError):
        (folder / contract.STOP_FILE).unlink()  # asked of an earlier master, not of this one
    recorder = Recorder(folder, config)
    try:
        listener = _bind(config["host"], config["port"])
    except OSError as error:
        message = f"port {config['port']} on {config['host']} cannot be used: {error.strerror}"
        recorder.exited(contract.EXIT_PORT_TAKEN, message)
        log.error(message)  # noqa: TRY400
        return contract.EXIT_PORT_TAKEN
    with listener:
        recorder.record["port"] = listener.getsockname()[1]
        if os.environ.get("SLIPWAY_LOG") != "stdout":  # a container has its own limit
            cpu.pin(config["cpu"], seed=config["port"])
        return Master(folder, config, recorder, listener).run()


def _bind(host: str, port: int) -> socket.socket:
    deadline = time.monotonic() + BIND_SECONDS
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
            listener.setblocking(False)
            return listener
        except OSError:
            listener.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Master:
    """The supervising loop; `run` returns the exit code."""

    def __init__(
        self, folder: Path, config: ReplicaConfig, recorder: Recorder, listener: socket.socket
    ) -> None:
        self.folder, self.config, self.recorder, self.listener = folder, config, recorder, listener
        self.workers: dict[int, Worker] = {}
        self.due = dict.fromkeys(range(max(1, config["workers"])), 0.0)  # index -> start time
        self.backoff: dict[int, float] = {}
        self.ever_ready = False
        self.stop_asked = False
        self.stop_deadline: float | None = None  # set: stopping
        self.verdict: int | None = None  # set: the exit code, once every worker has ended
        self.memory_at = self.record_at = 0.0
        self.turn_at = time.monotonic()
        self.life_read, self.life_write = os.pipe()
        self.selector = selectors.DefaultSelector()
        self.rotates = os.environ.get("SLIPWAY_LOG") != "stdout"

    def run(self) -> int:
        """Supervise until stopped or until the model cannot be loaded."""
        if self.rotates:
            logs.append_only(self.folder / contract.LOG_FILE)
        wake = self._listen_for_signals()
        try:
            self._start_due()
            self._record()
            while not self._finished():
                self._start_due()
                self._wait(wake)
                self._reap()
                self._look_for_silence()
                self._look_at_memory()
                self._look_for_stop()
                self._record()
        finally:
            for worker in self.workers.values():
                worker.kill()
        code = contract.EXIT_OK if self.verdict is None else self.verdict
        self.recorder.exited(code, self.recorder.record["message"])
        return code

    def _finished(self) -> bool:
        over = self.verdict is not None or self.stop_deadline is not None
        return over and not self.workers

    def _listen_for_signals(self) -> socket.socket:
        wake, signalled = socket.socketpair()
        wake.setblocking(False)
        signalled.setblocking(False)
        self._signalled = signalled  # kept alive for as long as signals arrive
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        self.selector.register(wake, selectors.EVENT_READ)
        return wake

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_asked = True  # only a note: a signal may arrive in the middle of anything

    def _stop(self) -> None:
        patience = self.config["scoring_timeout_ms"] / 1000 + DRAIN_SLACK
        self.stop_deadline = time.monotonic() + patience
        self.due.clear()
        # Closed here and, by their drain, in the workers: from now on connections are refused.
        self.listener.close()
        for worker in self.workers.values():
            worker.drain()

    def _look_for_stop(self) -> None:
        if self.stop_deadline is None:
            if self.stop_asked or (self.folder / contract.STOP_FILE).exists():
                self._stop()
        elif time.monotonic() > self.stop_deadline:
            for worker in self.workers.values():
                worker.kill()

    # --- workers ----------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for index in [i for i, at in self.due.items() if at <= now]:
            del self.due[index]
            # While another worker answers (or will say "loading"), a new one stays silent until
            # its model is loaded; alone, it answers "loading" itself.
            late = any(worker.accepts for worker in self.workers.values())
            fds = (self.listener.fileno(), self.life_read)
            try:
                worker = Worker.start(self.folder, self.config, index, fds, late=late)
            except OSError as error:  # no process or no descriptor left: there may be one again
                self._start_again(index, error)
                continue
            self.workers[index] = worker
            self.selector.register(worker.report_fd, selectors.EVENT_READ, worker)

    def _start_again(self, index: int, error: OSError) -> None:
        delay = self._put_back(index, self.backoff.get(index, FIRST_BACKOFF))
        message = f"worker {index} could not be started: {error.strerror or error}"
        self.recorder.record["message"] = message
        log.error("%s; tried again in %.1f s", message, delay)

    def _put_back(self, index: int, delay: float) -> float:
        """Start worker `index` in `delay` seconds, which it returns, and later after the next."""
        self.backoff[index] = min(LAST_BACKOFF, delay * 2)
        self.due[index] = time.monotonic() + delay
        return delay

    def _wait(self, wake: socket.socket) -> None:
        loading = any(worker.ready_at is None for worker in self.workers.values())
        until = [at - time.monotonic() for at in self.due.values()]
        timeout = max(0.0, min([LOADING_TICK if loading else STEADY_TICK, *until]))
        for key, _ in self.selector.select(timeout):
            if isinstance(key.data, Worker):
                self._take_reports(key.data)
            else:
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)

    def _take_reports(self, worker: Worker) -> None:
        reports = worker.read_reports()
        if not reports and worker.process.poll() is not None:
            self._unregister(worker)  # end of file, which would wake us for ever
        if any("load_seconds" in report for report in reports):
            self.ever_ready = True
            self.recorder.record["message"] = ""
            log.info("worker %d is ready after %.2f s", worker.index, worker.load_seconds)

    def _unregister(self, worker: Worker) -> None:
        with contextlib.suppress(KeyError):
            self.selector.unregister(worker.report_fd)

    def _reap(self) -> None:
        for worker in list(self.workers.values()):
            if worker.process.poll() is None:
                continue
            self._take_reports(worker)
            self._unregister(worker)
            worker.close()
            del self.workers[worker.index]
            if self.stop_deadline is None and self.verdict is None:
                self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        message = worker.obituary()
        self.recorder.record["message"] = message
        if self.ever_ready:
            self._restart_later(worker)
            return
        log.error("the model did not load: %s", message)
        out_of_memory = worker.over_memory
        self.verdict = contract.EXIT_OUT_OF_MEMORY if out_of_memory else contract.EXIT_LOAD_FAILED
        self.due.clear()
        for other in self.workers.values():
            other.kill()

    def _restart_later(self, worker: Worker) -> None:
        now = time.monotonic()
        calm = worker.ready_at is not None and now - worker.ready_at > CALM_SECONDS
        before = FIRST_BACKOFF if calm else self.backoff.get(worker.index, FIRST_BACKOFF)
        delay = self._put_back(worker.index, before)
        self.recorder.record["restarts"] += 1
        log.error("worker %d: %s; restarted in %.1f s", worker.index, worker.obituary(), delay)

    def _look_for_silence(self) -> None:
        """Kill a ready worker that has reported nothing for longer than any call may take.

        Its own watch over its calls (`batch`) cannot run where a call never lets go of Python's
        lock: a regular expression that backtracks, a C extension.
        """
        now, before = time.monotonic(), self.turn_at
        self.turn_at = now
        if self.stop_deadline is not None:
            return  # a draining worker has its own deadline
        patience = self.config["scoring_timeout_ms"] / 1000 + STUCK_SECONDS
        for worker in self.workers.values():
            if now - before > HALTED_SECONDS:  # then perhaps the workers were as well
                worker.heard_at = now
            if worker.ready_at is not None and now - worker.heard_at > patience:
                worker.failure = f"a call held the interpreter: no sign of life for {patience:g} s"
                worker.kill()

    # --- memory and record --------------------------------------------------------------------

    def _look_at_memory(self) -> None:
        """Kill the largest worker when the replica is above its limit.

        This is the portable guard. Where a cgroup of our own is writable, its memory.max belongs
        in `Worker.start`, and this stays as the one that finds the words.
        """
        now = time.monotonic()
        loading = any(worker.ready_at is None for worker in self.workers.values())
        if not loading and now - self.memory_at < MEMORY_EVERY:
            return
        self.memory_at = now
        from serving import memory

        trees = {worker: memory.tree(worker.process.pid) for worker in self.workers.values()}
        everyone = [os.getpid(), *(pid for pids in trees.values() for pid in pids)]
        limit = self.config["memory_mb"]
        # Resident is cheap and never below proportional: only above the limit is it worth a look.
        if memory.resident(everyone) <= limit:
            return
        used = memory.proportional(everyone)
        if used > limit and trees:
            largest = max(trees, key=lambda worker: memory.proportional(trees[worker]))
            largest.failure = f"used {used:.0f} of {limit} MB"
            largest.over_memory = True
            self.recorder.record["memory_mb"] = round(used, 1)
            largest.kill()

    def _record(self) -> None:
        record, now = self.recorder.record, time.monotonic()
        live = [worker for worker in self.workers.values() if worker.ready_at is not None]
        if self.verdict is None:
            record["phase"] = "ready" if live else "starting"
        # A key change is done when every worker answers by it; a loading one reads the new file.
        record["auth_version"] = min((worker.auth_version for worker in live), default=0)
        if live:
            record["load_seconds"] = live[0].load_seconds
        if now - self.record_at >= RECORD_EVERY:
            self.record_at = now
            from serving import memory  # psutil takes long, and the first worker need not wait

            trees = (memory.tree(worker.process.pid) for worker in self.workers.values())
            pids = [os.getpid(), *(pid for tree in trees for pid in tree)]
            record["memory_mb"] = round(memory.proportional(pids), 1)
            if self.rotates:
                logs.rotate(self.folder / contract.LOG_FILE)
        self.recorder.write()
