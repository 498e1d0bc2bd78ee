import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid6
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Room',
            fields=[
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('slug', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=100, validators=[django.core.validators.RegexValidator('[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]', 'This holds a control character.', inverse_match=True)])),
                ('visibility', models.CharField(choices=[('public', 'anyone may find and join it'), ('private', 'by invitation, and nobody else knows of it')], default='public', max_length=16)),
                ('last_seq', models.PositiveBigIntegerField(default=0, editable=False)),
                ('closed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'db_table': 'rooms',
                'ordering': ['-created_at', '-id'],
                'indexes': [models.Index(fields=['created_at', 'id'], name='rooms_created'), models.Index(fields=['name', 'id'], name='rooms_name'), models.Index(condition=models.Q(('deleted_at', None), ('visibility', 'public')), fields=['created_at', 'id'], name='rooms_public'), models.Index(condition=models.Q(('closed_at__isnull', False), ('deleted_at', None)), fields=['created_at', 'id'], name='rooms_closed'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', models.Func(models.F('slug'), models.Value('-_'), models.Value('  '), function='translate', output_field=models.TextField()), config='simple'), name='rooms_search'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', models.Func(models.F('slug'), models.Value('-_'), models.Value('  '), function='translate', output_field=models.TextField()), config='simple'), condition=models.Q(('deleted_at', None), ('visibility', 'public')), name='rooms_search_public')],
                'constraints': [models.UniqueConstraint(fields=('slug',), name='rooms_slug_unique'), models.CheckConstraint(condition=models.Q(('slug__regex', '^[a-z0-9_-]{1,64}$')), name='rooms_slug_shape'), models.CheckConstraint(condition=models.Q(('visibility__in', ['public', 'private'])), name='rooms_visibility_known'), models.CheckConstraint(condition=models.Q(('deleted_at', None), ('name', ''), _connector='OR'), name='rooms_deleted_is_empty')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('seq', models.PositiveBigIntegerField()),
                ('client_id', models.CharField(blank=True, default='', max_length=64)),
                ('text', models.CharField(blank=True, max_length=4000)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('edited_at', models.DateTimeField(blank=True, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, null=True)),
                ('author', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('room', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='chat.room')),
            ],
            options={
                'db_table': 'messages',
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('member', 'Member'), ('moderator', 'Moderator'), ('owner', 'Owner')], default='member', max_length=16)),
                ('last_read_seq', models.PositiveBigIntegerField(default=0)),
                ('joined_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('muted_until', models.DateTimeField(blank=True, null=True)),
                ('banned_at', models.DateTimeField(blank=True, null=True)),
                ('left_at', models.DateTimeField(blank=True, null=True)),
                ('user', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('room', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='chat.room')),
            ],
            options={
                'db_table': 'memberships',
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('open', 'Open'), ('accepted', 'Accepted'), ('declined', 'Declined')], default='open', max_length=16)),
                ('invitee', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('inviter', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('room', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='chat.room')),
            ],
            options={
                'db_table': 'invitations',
            },
        ),
        migrations.CreateModel(
            name='Change',
            fields=[
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('seq', models.PositiveBigIntegerField()),
                ('kind', models.CharField(choices=[('message.edited', 'Message Edited'), ('message.deleted', 'Message Deleted'), ('member', 'Member'), ('room', 'Room')], max_length=16)),
                ('details', models.JSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('user', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('message', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='chat.message')),
                ('room', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='chat.room')),
            ],
            options={
                'db_table': 'room_changes',
            },
        ),
        migrations.CreateModel(
            name='Announcement',
            fields=[
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', models.UUIDField(default=uuid6.uuid7, editable=False, primary_key=True, serialize=False)),
                ('text', models.CharField(max_length=4000)),
                ('author', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('room', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='chat.room')),
            ],
            options={
                'db_table': 'announcements',
            },
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(fields=('room', 'seq'), name='messages_seq_unique'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(condition=models.Q(('client_id', ''), _negated=True), fields=('room', 'author', 'client_id'), name='messages_client_id_unique'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('deleted_at', None), ('text', ''), _connector='OR'), name='messages_deleted_is_empty'),
        ),
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(fields=['user', 'room'], name='memberships_of_user'),
        ),
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(condition=models.Q(('banned_at', None), ('left_at', None)), fields=['room', 'joined_at', 'id'], name='memberships_of_room'),
        ),
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(condition=models.Q(('banned_at', None), ('left_at', None), ('role__in', ['owner', 'moderator'])), fields=['room', 'role', 'joined_at', 'id'], name='memberships_by_role'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('room', 'user'), name='memberships_unique'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['member', 'moderator', 'owner'])), name='memberships_role_known'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('banned_at', None), ('left_at', None)), ('role', 'member'), _connector='OR'), name='memberships_gone_is_member'),
        ),
        migrations.AddIndex(
            model_name='invitation',
            index=models.Index(fields=['invitee', 'created_at', 'id'], name='invitations_of_invitee'),
        ),
        migrations.AddIndex(
            model_name='invitation',
            index=models.Index(fields=['updated_at'], name='invitations_updated'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(fields=('room', 'invitee'), name='invitations_unique'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'accepted', 'declined'])), name='invitations_state_known'),
        ),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(condition=models.Q(('message__isnull', False)), fields=['message'], name='room_changes_message'),
        ),
        migrations.AddConstraint(
            model_name='change',
            constraint=models.UniqueConstraint(fields=('room', 'seq'), name='room_changes_seq_unique'),
        ),
        migrations.AddConstraint(
            model_name='change',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['message.edited', 'message.deleted', 'member', 'room'])), name='room_changes_kind_known'),
        ),
    ]
