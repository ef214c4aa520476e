"""Tables of workspaces: who may do what, tokens, and the record of what happened."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Workspace(models.Model):
    """A named space of experiments, models and services. One exists by itself: "default"."""

    name = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; enforcement per action comes with the roles issue."""

    READER = "reader", _("Reader")
    CONTRIBUTOR = "contributor", _("Contributor")
    OWNER = "owner", _("Owner")


class Membership(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.CONTRIBUTOR)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_membership"),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.role} of {self.workspace}"


class ApiToken(models.Model):
    """A bearer token for the API and for MLflow clients. Only its SHA-256 is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)  # shown, so that a person knows which one it is
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class EventLevel(models.TextChoices):
    INFO = "info", _("Information")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


class Event(models.Model):
    """One thing that happened. Never changed; outlives its subject."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=64)  # "service.state", "model.registered"
    level = models.CharField(max_length=8, choices=EventLevel.choices, default=EventLevel.INFO)
    subject_type = models.CharField(max_length=32)  # "service", "model", "target", "user"
    subject = models.CharField(max_length=512)
    message = models.TextField()
    data = models.JSONField(default=dict)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["subject_type", "subject", "-id"])]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.message}"
