"""The steps of a deep pre-flight, run by workers: copy, environment, trial. Every end is a check.

What was found is in the operation while it runs and with the version when it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.building import images, pythons, runtimes
from deployments.building.modelcheck import MAX_REASON, Found
from deployments.building.processes import Cancelled
from deployments.choices import StepName
from deployments.configuring.check_values import Check, check_from
from deployments.control.background import found_keep
from deployments.control.step_handlers import (
    StepFailed,
    Work,
    copy_model,
    facts_wanted,
    with_room,
)
from deployments.drivers.base import DriverError, TargetUnreachable
from deployments.drivers.docker import DockerDriver
from deployments.models import ModelCheck
from deployments.trying import trial
from deployments.trying.draft_values import KEPT
from deployments.trying.drafts import Draft, draft_of
from deployments.trying.findings import finding_keep, version_measured
from deployments.trying.trial import Ran
from deployments.trying.trial_checks import checks_of
from serving.contract import TrialPlan
from workspaces.errors import Problem, Unavailable

CHECKS, MEASURED = "checks", "measured"  # of Operation.found


def copy(work: Work) -> str:
    """Copy the model's files; say when they cannot be."""
    draft = draft_of(work)
    with judged(draft, "files", _("Register the version again with all its files.")):
        copy_model(draft)
    _add(draft, Check("files", "passed", _("All files of the version could be read.")))
    return ""


def prepare(work: Work) -> str:
    """Resolve and build, or find, the environment; say which package or Python is missing."""
    draft = draft_of(work)
    step = _("Log the model with a Python version that is here, or install that one.")
    with judged(draft, "python", step):
        _python_check(draft)
    step = _("Correct the requirements and register the model again.")
    with judged(draft, "environment", step):
        draft.prepare()
    text = _("The environment was made: Python %(python)s, packages %(hash)s.")
    values = {"python": draft.revision.python, "hash": draft.revision.environment_hash[:12]}
    _add(draft, Check("environment", "passed", text % values))
    return ""


def try_model(work: Work) -> str:
    """Load the model where it would run, score the sample, and keep what was found."""
    draft = draft_of(work)
    ran = _run(draft)
    if _mlflow_may_help(draft, ran):
        ran = _with_mlflow(draft, ran)
    is_script = bool(draft.revision.inference)
    found = checks_of(ran, memory_mb=draft.wish.memory_mb, scripted=is_script)
    for check in found:
        draft.log(f"{check.result}: {check.sentence}")
    checks = _add(draft, *found)
    measured = _measured(draft, ran)
    found_keep(draft.operation, **{MEASURED: measured})
    finding_keep(draft, checks, measured)
    if ran.ok:
        _remember(draft, ran.answer or {})
    failed = [check.sentence for check in found if check.result == "failed"]
    if failed:
        raise StepFailed(" ".join(failed))
    return ""


HANDLERS: dict[StepName, Callable[[Work], str]] = {
    StepName.COPY_MODEL: with_room(copy),
    StepName.PREPARE_ENVIRONMENT: with_room(prepare),
    StepName.TRY_MODEL: with_room(try_model),
}


@contextmanager
def judged(draft: Draft, name: str, next_step: str) -> Iterator[None]:
    """What fails within is a failed check that is kept with the version, and ends the step."""
    try:
        yield
    except (TargetUnreachable, Unavailable):
        raise  # later: an engine is away
    except images.BuildCancelled as error:
        raise Cancelled from error
    except (StepFailed, DriverError, Problem) as error:
        checks = _add(draft, Check(name, "failed", str(error), next_step))
        finding_keep(draft, checks, {})
        raise StepFailed(str(error)) from error


def _add(draft: Draft, *new: Check) -> list[Check]:
    """Add checks to what was found; one that is made again replaces what it said before."""
    before = [check_from(item) for item in draft.operation.found.get(CHECKS, [])]
    names = {check.name for check in new}
    checks = [*(check for check in before if check.name not in names), *new]
    found_keep(draft.operation, **{CHECKS: [check.as_dict() for check in checks]})
    return checks


def _python_check(draft: Draft) -> None:
    """Raises: StepFailed: the model's Python is not on the target, with those that are."""
    wanted, image = facts_wanted(draft).python_version or pythons.own_minor(), ""
    if draft.driver.builds_image:
        builder = draft.image_builder()
        image = builder.base_image
        here = [images.base_image_ready(builder)]
        text = _("The model needs Python %(wanted)s, the base image %(image)s has %(found)s.")
    else:
        here = sorted(pythons.available(settings.SLIPWAY.service_user))
        text = _("The model needs Python %(wanted)s; this machine has %(found)s.")
    if wanted not in here:
        names = ", ".join(here) or _("none")
        raise StepFailed(text % {"wanted": wanted, "found": names, "image": image})
    _add(draft, Check("python", "passed", _("Runs on Python %(minor)s.") % {"minor": wanted}))


def _run(draft: Draft) -> Ran:
    plan = cast(TrialPlan, {"config": draft.replica_config()})
    for name in ("input", "output", "content_type"):
        if name in draft.operation.asked:
            plan[name] = draft.operation.asked[name]
    revision = draft.revision
    draft.log(f"Trying the model with the {revision.loader} loader, {draft.wish.memory_mb} MB")
    if draft.driver.builds_image:
        return trial.run_in_image(
            cast(DockerDriver, draft.driver),
            revision.image,
            plan=plan,
            log=draft.log,
            cancelled=draft.cancelled,
        )
    return trial.run_here(
        draft.builder(),
        environment=settings.DATA.environments / revision.environment_hash,
        runtime=settings.DATA.runtimes / revision.runtime,
        plan=plan,
        name=f"trial-{draft.operation.pk}",
    )


def _mlflow_may_help(draft: Draft, ran: Ran) -> bool:
    """Whether the fast loader was the reason, as far as can be told: then deploying falls back."""
    answer = ran.answer
    fast = draft.revision.loader == "fast"
    return fast and answer is not None and answer["stage"] in {"load", "score"}


def _with_mlflow(draft: Draft, fast: Ran) -> Ran:
    error = (fast.answer or {}).get("error", "")
    draft.log(f"The fast loader cannot serve this model: {error}")
    draft.log("Trying MLflow's own loader, with MLflow in the environment.")
    before = dict(draft.operation.found[KEPT])
    reason = f"MLflow loads this model, as the fast loader could not: {error}"
    try:
        draft.prepare_with("plain", reason[:MAX_REASON])
        plain = _run(draft)
    except StepFailed as problem:  # no such environment: the first answer stands
        draft.log(str(problem))
        draft.keep(**before)
        return fast
    if plain.ok:
        return plain
    draft.keep(**before)
    return fast


def _measured(draft: Draft, ran: Ran) -> dict[str, Any]:
    answer = ran.answer or {}
    return {
        **answer,
        "too_much_mb": ran.too_much_mb,
        "tail": [] if answer else ran.tail,
        "loader_reason": draft.revision.loader_reason,
    }


def _remember(draft: Draft, answer: dict[str, Any]) -> None:
    """What a deploy of this version would measure again, and what its defaults are made from."""
    revision = draft.revision
    version_measured(
        revision.model_name,
        revision.model_version,
        memory_mb=answer["peak_mb"],
        load_seconds=answer["load_seconds"],
        ms_per_row=answer["ms_per_row"],
    )
    if answer["row_wise"] is None:
        return
    found = Found(True, answer["row_wise"], answer["row_wise_reason"][:MAX_REASON])
    ModelCheck.objects.update_or_create(
        model_sha256=revision.model_sha256,
        environment_hash=revision.environment_hash,
        runtime=runtimes.version(),
        loader=revision.loader,
        defaults={"found": asdict(found)},
    )
