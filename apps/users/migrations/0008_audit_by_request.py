from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0007_schedule_orphan_removal'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['request_id'], name='audit_request'),
        ),
    ]
