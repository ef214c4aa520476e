import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('deployments', '0005_preflight'),
    ]

    operations = [
        migrations.CreateModel(
            name='Quota',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('services', models.PositiveIntegerField(null=True)),
                ('cpu', models.FloatField(null=True)),
                ('memory_mb', models.PositiveIntegerField(null=True)),
                ('target', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='quota', to='deployments.target')),
            ],
        ),
    ]
