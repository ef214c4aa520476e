"""The table behind Help me choose: what each kind of target offers and the rules that weigh it.

It follows Azure ML's guidance on choosing a compute target, for the kinds that exist here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from deployments.configuring.quota_rules import Ask, Limits, sentences, shortages

Text = str | Promise

DEFAULT_SECONDS = 0.02  # per request, until a model was measured

MODES = (("real-time", gettext_lazy("Real-time")), ("batch", gettext_lazy("Batch")))
PURPOSES = (
    ("development", gettext_lazy("Development and testing")),
    ("production", gettext_lazy("Production")),
)
CALLERS = (
    ("self", gettext_lazy("Only me, from this machine")),
    ("team", gettext_lazy("Programs of my team")),
    ("outside", gettext_lazy("Programs outside my organisation")),
)
ACCELERATORS = (
    ("none", gettext_lazy("No, CPU is enough")),
    ("gpu", gettext_lazy("A GPU")),
    ("fpga", gettext_lazy("An FPGA")),
)
SURVIVALS = (
    ("none", gettext_lazy("Nothing in particular")),
    ("restart", gettext_lazy("A restart of the studio")),
    ("machine", gettext_lazy("The loss of a machine")),
)
AUTHENTICATIONS = (
    ("key", gettext_lazy("A key")),
    ("token", gettext_lazy("Tokens that expire")),
    ("none", gettext_lazy("None")),
)


@dataclass(frozen=True)
class Answers:
    """What a person wants. `memory_mb` is what the model was measured to need, or typed."""

    mode: str = "real-time"
    callers: str = "team"
    requests_per_second: float = 1.0  # at the peak
    seconds_per_request: float = DEFAULT_SECONDS
    concurrency: int = 1  # requests one replica computes at once
    memory_mb: float | None = None
    accelerator: str = "none"
    survive: str = "none"
    purpose: str = "development"
    authentication: str = "key"
    trusted: bool = True  # the model's code comes from somebody you trust


@dataclass(frozen=True)
class TargetFacts:
    """A target that exists, as it is now. None: not known."""

    name: str
    kind: str
    ready: bool = True
    problems: tuple[str, ...] = ()
    cpu_total: float | None = None
    cpu_used: float | None = None
    memory_total_mb: float | None = None
    memory_free_mb: float | None = None
    gpus: int = 0
    limits: Limits = field(default_factory=Limits)  # its quota
    used: Ask = field(default_factory=Ask)  # what its services ask for


@dataclass(frozen=True)
class Kind:
    """What is true of every target of one kind."""

    kind: str
    label: Text
    icon: str
    best_for: Text
    limits: tuple[Text, ...]
    available: bool  # the studio can deploy to it
    needs: Text = ""  # what it would take, for kinds that are not available
    max_replicas: int = 1
    max_memory_mb: float | None = None
    modes: frozenset[str] = frozenset({"real-time"})
    accelerators: frozenset[str] = frozenset({"none"})
    survives: frozenset[str] = frozenset({"none", "restart"})
    authentications: frozenset[str] = frozenset({"key", "none"})
    isolated: bool = True
    production: bool = False
    instant: bool = False  # starts without building an image


@dataclass(frozen=True)
class Sizing:
    """Resources for the need: replicas by v1's formula, memory in MB, CPU in cores per replica."""

    replicas: int
    memory_mb: int
    cpu: float = 1.0


KINDS: dict[str, Kind] = {
    kind.kind: kind
    for kind in (
        Kind(
            kind="local",
            label=gettext_lazy("Local process"),
            icon="cpu",
            best_for=gettext_lazy("Testing and debugging: up in seconds, nothing to build."),
            limits=(
                gettext_lazy("Runs on this machine, in an environment of its own."),
                gettext_lazy("No isolation from the studio's files."),
                gettext_lazy("One replica."),
            ),
            available=True,
            isolated=False,
            instant=True,
        ),
        Kind(
            kind="docker",
            label=gettext_lazy("Docker container"),
            icon="container",
            best_for=gettext_lazy("Lasting services on one machine, and models you do not trust."),
            limits=(
                gettext_lazy("CPU and memory are hard limits."),
                gettext_lazy("The first deploy builds an image."),
                gettext_lazy("One replica."),
            ),
            available=True,
            production=True,
        ),
        Kind(
            kind="kubernetes",
            label=gettext_lazy("Kubernetes"),
            icon="ship-wheel",
            best_for=gettext_lazy("High-scale production: autoscaling, GPUs, many machines."),
            limits=(gettext_lazy("As large as the cluster."),),
            available=False,
            needs=gettext_lazy(
                "It would need a Kubernetes cluster, an image registry that the cluster can pull "
                "from, and a Slipway release that has the Kubernetes target."
            ),
            max_replicas=1000,
            accelerators=frozenset({"none", "gpu", "fpga"}),
            survives=frozenset({"none", "restart", "machine"}),
            authentications=frozenset({"key", "token", "none"}),
            production=True,
        ),
        Kind(
            kind="aci",
            label=gettext_lazy("Azure Container Instances"),
            icon="cloud",
            best_for=gettext_lazy("Low-scale testing in the cloud without a cluster."),
            limits=(
                gettext_lazy("CPU only, one replica, less than 48 GB of memory."),
                gettext_lazy("Models below 1 GB."),
            ),
            available=False,
            needs=gettext_lazy(
                "It would need an Azure subscription, an image registry there, and a Slipway "
                "release that has the Azure target."
            ),
            max_memory_mb=48 * 1024,
            survives=frozenset({"none", "restart", "machine"}),
        ),
    )
}
KIND_ORDER = {kind: position for position, kind in enumerate(KINDS)}


def kind_of(kind: str) -> Kind:
    """What is known of a kind; one that the table does not name gets the least of everything."""
    return KINDS.get(kind) or Kind(
        kind=kind, label=kind, icon="server", best_for="", limits=(), available=True
    )


@dataclass(frozen=True)
class Case:
    """One target or kind weighed against the answers; what the rules look at."""

    answers: Answers
    kind: Kind
    target: TargetFacts | None
    sizing: Sizing

    def words(self) -> dict[str, Any]:
        """Values for the sentences."""
        free = self.target.memory_free_mb if self.target else None
        return {
            "kind": self.kind.label,
            "replicas": self.sizing.replicas,
            "max_replicas": self.kind.max_replicas,
            "rate": f"{self.answers.requests_per_second:g}",
            "need_gb": f"{self.sizing.memory_mb / 1024:.1f}",
            "max_gb": f"{(self.kind.max_memory_mb or 0) / 1024:g}",
            "free_gb": f"{(free or 0) / 1024:.1f}",
            "quota": _quota_lacks(self),
        }


@dataclass(frozen=True)
class Rule:
    """One line of the table: when it speaks, what it asks, how much it weighs, what it says."""

    name: str
    when: Callable[[Case], bool]
    holds: Callable[[Case], bool]
    weight: int
    decisive: bool  # not holding means: does not fit
    yes: Text = ""
    no: Text = ""


def _free_memory_holds(case: Case) -> bool:
    free = case.target.memory_free_mb if case.target else None
    return free is None or free >= case.sizing.memory_mb


def _total_memory_holds(case: Case) -> bool:
    limit = case.kind.max_memory_mb
    total = case.target.memory_total_mb if case.target else None
    return all(case.sizing.memory_mb <= most for most in (limit, total) if most is not None)


def _knows_free_memory(case: Case) -> bool:
    return case.target is not None and case.target.memory_free_mb is not None


def _quota_lacks(case: Case) -> str:
    """What of the target's quota there is no room for, in words; "" when there is."""
    if case.target is None:
        return ""
    replicas = min(case.sizing.replicas, case.kind.max_replicas)
    asked = Ask(1, case.sizing.cpu * replicas, case.sizing.memory_mb * replicas)
    found = shortages(case.target.limits, case.target.used, asked)
    return sentences(case.target.name, found)


RULES: tuple[Rule, ...] = (
    Rule(
        name="mode",
        when=lambda case: case.answers.mode == "batch",
        holds=lambda case: "batch" in case.kind.modes,
        weight=5,
        decisive=True,
        no=gettext_lazy(
            "It serves requests one at a time in real time; scoring a file in batch is a job, "
            "not a service."
        ),
    ),
    Rule(
        name="accelerator",
        when=lambda case: case.answers.accelerator != "none",
        holds=lambda case: case.answers.accelerator in case.kind.accelerators,
        weight=5,
        decisive=True,
        yes=gettext_lazy("It can give the model an accelerator."),
        no=gettext_lazy("It runs on CPU only; you asked for an accelerator."),
    ),
    Rule(
        name="replicas",
        when=lambda case: case.sizing.replicas > 1,
        holds=lambda case: case.sizing.replicas <= case.kind.max_replicas,
        weight=4,
        decisive=True,
        yes=gettext_lazy("It can run the {replicas} replicas that {rate} requests/s need."),
        no=gettext_lazy(
            "{rate} requests/s need {replicas} replicas; it runs {max_replicas} of a service."
        ),
    ),
    Rule(
        name="rate",
        when=lambda case: case.sizing.replicas == 1,
        holds=lambda case: True,
        weight=1,
        decisive=False,
        yes=gettext_lazy("One replica is enough for {rate} requests/s."),
    ),
    Rule(
        name="survive-machine",
        when=lambda case: case.answers.survive == "machine",
        holds=lambda case: "machine" in case.kind.survives,
        weight=4,
        decisive=True,
        yes=gettext_lazy("It goes on when a machine is lost."),
        no=gettext_lazy("It lives on this one machine and is down when the machine is."),
    ),
    Rule(
        name="survive-restart",
        when=lambda case: case.answers.survive == "restart",
        holds=lambda case: case.kind.isolated,
        weight=3,
        decisive=False,
        yes=gettext_lazy("It keeps running while the studio restarts."),
        no=gettext_lazy(
            "It is stopped together with the studio, and started again when the studio starts."
        ),
    ),
    Rule(
        name="memory-limit",
        when=lambda case: True,
        holds=_total_memory_holds,
        weight=1,
        decisive=True,
        no=gettext_lazy("The service needs {need_gb} GB of memory, more than it has."),
    ),
    Rule(
        name="memory-free",
        when=_knows_free_memory,
        holds=_free_memory_holds,
        weight=2,
        decisive=False,
        yes=gettext_lazy("{free_gb} GB of memory are free; the service needs {need_gb} GB."),
        no=gettext_lazy("Only {free_gb} GB of memory are free; the service needs {need_gb} GB."),
    ),
    Rule(
        name="quota",
        when=lambda case: case.target is not None and case.target.limits.is_set,
        holds=lambda case: not _quota_lacks(case),
        weight=0,  # a quota with room is no merit
        decisive=True,
        yes=gettext_lazy("Its quota has room for the service."),
        no="{quota}",
    ),
    Rule(
        name="authentication",
        when=lambda case: case.answers.authentication != "none",
        holds=lambda case: case.answers.authentication in case.kind.authentications,
        weight=3,
        decisive=True,
        yes=gettext_lazy("It checks who calls, the way you asked for."),
        no=gettext_lazy("It knows keys, not tokens that expire."),
    ),
    Rule(
        name="open-to-outside",
        when=lambda case: case.answers.callers == "outside",
        holds=lambda case: case.kind.isolated,
        weight=3,
        decisive=False,
        yes=gettext_lazy("Callers from outside reach code that is closed off from this machine."),
        no=gettext_lazy(
            "Callers from outside would reach code that can read this machine's files."
        ),
    ),
    Rule(
        name="trust",
        when=lambda case: not case.answers.trusted,
        holds=lambda case: case.kind.isolated,
        weight=6,
        decisive=True,
        yes=gettext_lazy("The model's code is closed off from the studio's data."),
        no=gettext_lazy("The model's code could read this studio's data."),
    ),
    Rule(
        name="production",
        when=lambda case: case.answers.purpose == "production",
        holds=lambda case: case.kind.production,
        weight=4,
        decisive=False,
        yes=gettext_lazy("It is meant for services that stay."),
        no=gettext_lazy("It is meant for testing and debugging, not for production."),
    ),
    Rule(
        name="quick-start",
        when=lambda case: case.answers.purpose == "development",
        holds=lambda case: case.kind.instant,
        weight=4,
        decisive=False,
        yes=gettext_lazy("It is up in seconds: there is no image to build."),
        no=gettext_lazy("The first deploy takes longer: an image or a container must be made."),
    ),
)
