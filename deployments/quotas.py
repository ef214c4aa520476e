"""Quotas: what the administrator lets all services on one compute target ask for together.

No measure of free capacity. What counts is what people want: every service that is neither stopped
nor being deleted, by what its wanted revision asks; while an update is under way by the larger of
that and the one that still serves, as it may have to go back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from deployments.choices import Desired
from deployments.configuring import quota_rules as rules
from deployments.configuring.configuration import DeploymentConfiguration, from_dict
from deployments.configuring.configuration_reader import Reader
from deployments.configuring.quota_rules import Ask, Limits, Shortage
from deployments.models import Quota, Service, Target
from workspaces.errors import Conflict, Invalid
from workspaces.events import event_record


@dataclass(frozen=True)
class QuotaState:
    """A target with its limits and what its services ask for."""

    target: Target
    limits: Limits
    used: Ask


def states(targets: Iterable[Target]) -> list[QuotaState]:
    """Limits and use of these targets, in their order: two queries for any number."""
    found = list(targets)
    limits = {row.target_id: _limits(row) for row in Quota.objects.filter(target__in=found)}
    used: dict[int, Ask] = {}
    for target_id, _service, ask in _counted(found):
        used[target_id] = used.get(target_id, Ask()) + ask
    return [
        QuotaState(target, limits.get(target.pk, Limits()), used.get(target.pk, Ask()))
        for target in found
    ]


def limits_of(target: Target) -> Limits:
    """The limits of a target; none where nobody has set any."""
    row = Quota.objects.filter(target=target).first()
    return _limits(row) if row else Limits()


def shortages_of(
    place: Target, wish: DeploymentConfiguration, service: Service | None = None
) -> list[Shortage]:
    """What of the quota of a target there is no room for; reads only what is there now.

    Args:
        service: the one that asks for something else from now on; None for a new one.
    """
    limits = limits_of(place)
    if not limits.is_set:
        return []
    others, held = Ask(), None
    for _target, service_id, ask in _counted([place]):
        if service is not None and service_id == service.pk:
            held = ask
        else:
            others += ask
    return rules.shortages(limits, others, rules.ask_of(wish), held)


def quota_check(
    place: Target, wish: DeploymentConfiguration, service: Service | None = None
) -> None:
    """Refuse what the quota has no room for; true for long only after `lock`.

    Raises:
        Conflict: `quota`, with every shortage at the field that asks for it.
    """
    found = shortages_of(place, wish, service)
    if not found:
        return
    fields: dict[str, list[str]] = {}
    for shortage in found:
        text = f"{rules.sentence(place.name, shortage)} {rules.NEXT_STEP}"
        fields[rules.RESOURCE_FIELDS[shortage.resource]] = [text]
    message = f"{rules.sentences(place.name, found)} {rules.NEXT_STEP}"
    raise Conflict(message, fields=fields, code="quota")


def lock(target_id: int) -> None:
    """Let no other change of what counts on this target happen until our transaction has ended.

    SQLite has one writer at a time anyway.
    """
    # no_key: rows that refer to the target may be written meanwhile
    rows = Target.objects.select_for_update(no_key=True).filter(pk=target_id)
    rows.values_list("pk", flat=True).first()


def quota_set(*, target: Target, given: Any, user: User | None) -> QuotaState:
    """Set all limits of a target. One below what is used stops nothing; it refuses new asks.

    Args:
        given: `services`, `cpu` in cores and `memory_mb`; None is no limit.
    Raises:
        Invalid: every violation by field.
    """
    limits = limits_read(given)
    with transaction.atomic():
        lock(target.pk)
        before = limits_of(target)
        if limits != before:
            Quota.objects.update_or_create(target=target, defaults=limits.as_dict())
            _changed(target, before, limits, user)
    (state,) = states([target])
    return state


def limits_read(given: Any) -> Limits:
    """Limits out of a JSON object that names each of them.

    Raises:
        Invalid: every violation by field.
    """
    if not isinstance(given, Mapping):
        raise Invalid(_("The quota must be a JSON object."), fields={})
    reader = Reader(given)
    values = {resource: _limit(reader, resource) for resource in rules.RESOURCE_FIELDS}
    for name in reader.left:
        reader.fault(str(name), _("is not known here."))
    if reader.violations:
        texts = (f"{name} {text}" for name, said in reader.violations.items() for text in said)
        raise Invalid(" ".join(texts), fields=reader.violations)
    return Limits(**values)


def _limit(reader: Reader, resource: str) -> Any:
    if resource not in reader.left:
        reader.fault(resource, _("is missing; null is no limit."))
        return None
    value = reader.left.pop(resource)
    if value is None:
        return None
    whole = resource != "cpu"
    number = reader.number(resource, value, 0, 0, rules.HIGHEST[resource], whole=whole)
    return int(number) if whole else float(number)


def _limits(row: Quota) -> Limits:
    return Limits(services=row.services, cpu=row.cpu, memory_mb=row.memory_mb)


def _counted(targets: Iterable[Target]) -> Iterator[tuple[int, int, Ask]]:
    """Target, service and what it asks for, of every service that counts; one query."""
    rows = Service.objects.filter(target__in=list(targets), desired=Desired.RUNNING)
    columns = ("target_id", "pk", "wanted__deployment", "active__deployment")
    for target_id, service_id, wanted, active in rows.order_by().values_list(*columns):
        ask = Ask(services=1)
        for deployment in (wanted, active):
            if deployment:
                ask = ask.most(rules.ask_of(from_dict(deployment)))
        yield target_id, service_id, ask


def _changed(target: Target, before: Limits, after: Limits, user: User | None) -> None:
    no_limit = _("no limit")
    words = []
    for resource in rules.RESOURCE_FIELDS:
        values = [getattr(limits, resource) for limits in (before, after)]
        if values[0] != values[1]:
            said = [no_limit if value is None else rules.quantity(value) for value in values]
            words.append(f"{resource} {said[0]} → {said[1]}")
    event_record(
        kind="quota.changed",
        subject_type="target",
        subject=target.name,
        message=f"Quota of {target.name}: {', '.join(words)}",
        actor=user,
        data={"before": before.as_dict(), "after": after.as_dict()},
    )
