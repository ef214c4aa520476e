"""Where a run came from and why it ended as it did, told by the tags that clients set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from workspaces.tracking.values import Run

REASON = "slipway.reason"
REASONS = (REASON, "failure_reason", "error", "exception", "traceback")  # the first one set
LONGEST_REASON = 20_000
_HOSTS = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
_SSH = re.compile(r"(?:ssh://)?git@([\w.-]+)[:/](.+)")


@dataclass(frozen=True)
class Origin:
    """The source of a run. Empty strings where the client did not say."""

    name: str
    kind: str  # LOCAL, NOTEBOOK, JOB, PROJECT, RECIPE
    entry_point: str
    commit: str
    branch: str
    dirty: bool
    repository: str
    commit_url: str
    docker_image: str


def origin_of(run: Run) -> Origin:
    tags = run.tags
    repository = tags.get("mlflow.source.git.repoURL", "") or tags.get("mlflow.gitRepoURL", "")
    return Origin(
        name=run.source,
        kind=tags.get("mlflow.source.type", ""),
        entry_point=tags.get("mlflow.project.entryPoint", ""),
        commit=run.commit,
        branch=tags.get("mlflow.source.git.branch", "") or tags.get("mlflow.gitBranchName", ""),
        dirty=tags.get("mlflow.source.git.dirty", "").lower() == "true",
        repository=_without_password(repository),
        commit_url=commit_url(repository, run.commit),
        docker_image=tags.get("mlflow.docker.image.uri", ""),
    )


def commit_url(repository: str, commit: str) -> str:
    """The page of a commit at a host that is known to have one; "" otherwise."""
    match = _SSH.fullmatch(repository)
    if match:
        host, path = match[1], match[2]
    else:
        parts = urlsplit(repository) if "://" in repository else None
        if parts is None or parts.scheme not in {"http", "https"}:
            return ""
        host, path = parts.hostname or "", parts.path
    path = path.strip("/").removesuffix(".git")
    if host not in _HOSTS or not path or not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return ""
    middle = {"gitlab.com": "-/commit", "bitbucket.org": "commits"}.get(host, "commit")
    return f"https://{host}/{quote(path)}/{middle}/{commit}"


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator and "@" in rest else url


def reason_of(run: Run) -> str:
    """Why a run failed or was killed, as its training code said; "" when it did not."""
    if run.status not in {"FAILED", "KILLED"}:
        return ""
    return _first(run.tags)[:LONGEST_REASON]


def _first(tags: Mapping[str, str]) -> str:
    return next((tags[key].strip() for key in REASONS if tags.get(key, "").strip()), "")
