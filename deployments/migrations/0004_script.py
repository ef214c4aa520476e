from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("deployments", "0003_background_work"),
    ]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="prepared",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="revision",
            name="v1",
            field=models.JSONField(default=dict),
        ),
    ]
