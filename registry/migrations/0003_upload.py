from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_environments")]

    operations = [
        migrations.AddField("versionrecord", "origin", models.JSONField(default=dict)),
        migrations.AddField(
            "versionrecord", "format", models.CharField(blank=True, default="", max_length=32),
            preserve_default=False,
        ),
        migrations.AddField(
            "versionrecord", "format_problem", models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            "versionrecord", "framework", models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            "versionrecord",
            "framework_version",
            models.CharField(blank=True, default="", max_length=100),
            preserve_default=False,
        ),
        migrations.AddField("versionrecord", "sample_input", models.JSONField(null=True)),
        migrations.AddField("versionrecord", "sample_output", models.JSONField(null=True)),
        migrations.AddField(
            "versionrecord", "notes", models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
    ]
