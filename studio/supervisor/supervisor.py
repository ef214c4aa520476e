"""The loop of `manage.py up`: start, watch, restart, stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType

from config.paths import DataFolder
from studio.supervisor import services
from studio.supervisor.child import Child, ChildSpec
from studio.supervisor.commands import KEEP_SERVING_SIGNAL, SERVING, STOP_ORDER
from studio.supervisor.folder import identity
from studio.supervisor.problem import StartProblem
from studio.supervisor.records import Records

TICK = 0.5  # seconds
QUICK_TICK = 0.05  # while starting and stopping
START_TIMEOUT = 180.0  # seconds until every process must be ready
LOG_EVERY = 60.0
ECHO = 0.5  # seconds: a closing terminal sends the same signal from two sides; that is not haste
SIGNALS = {
    signal.SIGINT: "stop",
    signal.SIGTERM: "stop",
    signal.SIGHUP: "stop",
    KEEP_SERVING_SIGNAL: "keep-serving",
}


class StopAsked(Exception):
    """A signal came while the studio was still starting."""


class Supervisor:
    """Keeps the processes of one data folder alive.

    `say` gets one line per event, for the terminal.
    """

    def __init__(
        self,
        data: DataFolder,
        specs: Mapping[str, ChildSpec],
        say: Callable[[str], None],
    ) -> None:
        self.data, self.say = data, say
        self.children = {name: Child(spec, data.logs) for name, spec in specs.items()}
        self.records = Records(data.run / "processes.json")
        self.asked: list[str] = []  # by signals, in order
        self.asked_at = 0.0
        self.logs_at = time.monotonic()

    # --- signals ------------------------------------------------------------------------------

    def listen(self) -> None:
        """Queue signals from now on; SIGHUP stays ignored under nohup."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self.asked_at > ECHO:
            self.asked_at = now
            self.asked.append(SIGNALS[signal.Signals(number)])

    @property
    def hurried(self) -> bool:
        """A second Ctrl-C: end everything at once."""
        return len(self.asked) > 1

    # --- start --------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start these processes, in this order, without waiting for them."""
        for name in names:
            if name in self.children:
                child = self.children[name]
                child.turn_over_log(always=True)
                self._start(child)

    def _start(self, child: Child) -> None:
        pid = child.start()
        self.records.put(child.spec.name, identity(pid))

    def wait_ready(self, *names: str) -> None:
        """Wait until these processes answer.

        Raises:
            StartProblem: one ended, or did not answer in time. StopAsked: a signal came.
        """
        deadline = time.monotonic() + START_TIMEOUT
        waiting = [self.children[name] for name in names if name in self.children]
        while waiting:
            self.check_asked()
            for child in self.children.values():
                if child.process is not None and not child.is_running():
                    raise StartProblem(self._why_ended(child))
            waiting = [child for child in waiting if not child.check_ready()]
            if waiting and time.monotonic() > deadline:
                child = waiting[0]
                raise StartProblem(
                    f"{child.spec.name} did not answer within {START_TIMEOUT:.0f} seconds; its "
                    f"log is {child.log_path}."
                )
            time.sleep(QUICK_TICK)

    def check_asked(self) -> None:
        """Raise StopAsked when a signal came."""
        if self.asked:
            raise StopAsked

    def _why_ended(self, child: Child) -> str:
        assert child.process is not None
        code, line = child.process.returncode, child.last_line()
        said = f": {line}" if line else ""
        return f"{child.spec.name} ended with exit code {code}{said} (log: {child.log_path})."

    # --- watch --------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep every process alive until a signal asks to stop."""
        while not self.asked:
            self.tick()
            time.sleep(TICK)

    def tick(self) -> None:
        """Look at each process once: bury the dead, start the due, turn over long logs."""
        now = time.monotonic()
        for child in self.children.values():
            if child.process is not None and not child.is_running():
                name, line = child.spec.name, child.last_line()
                code, delay = child.bury()
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                said = f": {line}" if line and code >= 0 else ""
                self.say(f"{name} {how}{said}. Starting it again in {delay:g} s.")
            elif child.process is None and child.due_at is not None and child.due_at <= now:
                self._start(child)
        if now - self.logs_at > LOG_EVERY:
            self.logs_at = now
            for child in self.children.values():
                child.turn_over_log()

    # --- stop ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop in order; local services too, unless the last word was keep-serving.

        `desired` is untouched: the next start brings services back.
        """
        keep = self.asked[:1] == ["keep-serving"]
        for names in STOP_ORDER:
            group = [self.children[name] for name in names if name in self.children]
            if not (keep and SERVING.issuperset(names)):
                self._stop(group)
            if "gateway" in names and not keep:
                self._stop_services()

    def _stop(self, group: list[Child]) -> None:
        for child in group:
            child.ask_to_stop()
        waiting = group
        while waiting:
            if self.hurried:
                for child in waiting:
                    child.kill()
            waiting = [child for child in waiting if not child.insist()]
            if waiting:
                time.sleep(QUICK_TICK)
        for child in group:
            child.kill()  # what its group left behind
            self.records.drop(child.spec.name)

    def _stop_services(self) -> None:
        stopped = services.stop_all(self.data.services, hurried=lambda: self.hurried)
        if stopped:
            self.say(f"Stopped local services: {', '.join(stopped)}.")
