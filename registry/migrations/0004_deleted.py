import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _shared():
    return [
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        ("store", models.CharField(max_length=64)),
        ("name", models.CharField(max_length=512)),
        ("gone", models.BooleanField(default=False)),
        ("deleted_at", models.DateTimeField(db_index=True)),
    ]


def _deleted_by():
    return (
        "deleted_by",
        models.ForeignKey(
            null=True,
            on_delete=django.db.models.deletion.SET_NULL,
            related_name="+",
            to=settings.AUTH_USER_MODEL,
        ),
    )


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("registry", "0003_upload"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeletedModel",
            fields=[
                *_shared(),
                ("made_at", models.CharField(blank=True, max_length=64)),
                ("description", models.TextField(blank=True)),
                ("tags", models.JSONField(default=dict)),
                _deleted_by(),
            ],
        ),
        migrations.CreateModel(
            name="DeletedVersion",
            fields=[
                *_shared(),
                ("version", models.CharField(max_length=32)),
                ("identity", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField(null=True)),
                ("source", models.CharField(blank=True, db_index=True, max_length=500)),
                ("run_id", models.CharField(blank=True, max_length=500)),
                ("model_id", models.CharField(blank=True, max_length=500)),
                ("description", models.TextField(blank=True)),
                ("tags", models.JSONField(default=dict)),
                ("aliases", models.JSONField(default=list)),
                ("record", models.JSONField(default=dict)),
                ("claim", models.CharField(blank=True, max_length=32)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                _deleted_by(),
            ],
        ),
        migrations.AddConstraint(
            "deletedmodel",
            models.UniqueConstraint(fields=("store", "name"), name="one_deleted_model"),
        ),
        migrations.AddConstraint(
            "deletedversion",
            models.UniqueConstraint(
                fields=("store", "name", "version", "identity"), name="one_deleted_version"
            ),
        ),
    ]
