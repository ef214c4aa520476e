import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('deployments', '0004_script'),
        ('registry', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('identity', models.CharField(blank=True, max_length=64)),
                ('kind', models.CharField(choices=[('deploy', 'Deploy'), ('update', 'Update'), ('start', 'Start'), ('restart', 'Restart'), ('stop', 'Stop'), ('delete', 'Delete'), ('preflight', 'Pre-flight'), ('profile', 'Profile'), ('build', 'Build environment')], max_length=16)),
                ('target', models.CharField(max_length=64)),
                ('target_kind', models.CharField(max_length=16)),
                ('environment_hash', models.CharField(blank=True, max_length=64)),
                ('python', models.CharField(blank=True, max_length=8)),
                ('loader', models.CharField(blank=True, max_length=8)),
                ('runtime', models.CharField(blank=True, max_length=64)),
                ('asked', models.JSONField(default=dict)),
                ('checks', models.JSONField(default=list)),
                ('measured', models.JSONField(default=dict)),
                ('result', models.CharField(max_length=8)),
                ('operation', models.UUIDField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('record', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='registry.versionrecord')),
            ],
            options={
                'ordering': ['-created_at'],
                'constraints': [models.UniqueConstraint(fields=('record', 'kind', 'target', 'environment_hash'), name='one_finding')],
            },
        ),
    ]
