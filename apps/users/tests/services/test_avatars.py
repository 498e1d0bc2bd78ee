from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from freezegun import freeze_time

from apps.common.exceptions import InvalidInputError, NotFoundError
from apps.users.models import User
from apps.users.services import AvatarService, avatars
from apps.users.tasks import clean_orphaned_files, remove_file
from apps.users.tests.factories import UserFactory
from apps.users.tests.pictures import png
from apps.users.tests.support import run_jobs
from infrastructure.queue.models import OutboxRow, OutboxState
from infrastructure.storage import FileStore

pytestmark = pytest.mark.django_db


def files(folder: str = "avatars") -> list[str]:
    folders, names = default_storage.listdir(folder) if default_storage.exists(folder) else ([], [])
    return [f"{folder}/{name}" for name in names] + [path for name in folders for path in files(f"{folder}/{name}")]


def test_a_picture_is_kept_as_webp_below_the_accounts_folder() -> None:
    user = UserFactory.create()

    account = AvatarService.replace(user_id=user.pk, content=png())

    assert files() == [account.avatar]
    assert account.avatar.startswith(f"avatars/{user.pk}/")
    assert FileStore.read(key=account.avatar)[8:12] == b"WEBP"
    assert not OutboxRow.objects.exists()


def test_the_former_picture_is_removed_by_a_job_once_the_new_one_is_committed() -> None:
    user = UserFactory.create()
    former = AvatarService.replace(user_id=user.pk, content=png()).avatar

    account = AvatarService.replace(user_id=user.pk, content=png("blue"))

    job = OutboxRow.objects.get()
    assert (job.name, job.payload, sorted(files())) == (
        "users.remove_file",
        {"key": former},
        sorted([former, account.avatar]),
    )
    OutboxRow.objects.update(state=OutboxState.PUBLISHED)


@pytest.mark.django_db(transaction=True)
def test_the_job_removes_the_file_however_often_it_runs() -> None:
    user = UserFactory.create()
    former = AvatarService.replace(user_id=user.pk, content=png()).avatar
    kept = AvatarService.replace(user_id=user.pk, content=png("blue")).avatar

    for _ in range(2):
        remove_file(str(OutboxRow.objects.get().pk))

    assert former != kept
    assert files() == [kept]
    assert OutboxRow.objects.get().state == OutboxState.DONE


def test_a_picture_can_be_taken_away_and_once_more_is_no_error() -> None:
    user = UserFactory.create()
    AvatarService.replace(user_id=user.pk, content=png())

    for _ in range(2):
        AvatarService.remove(user_id=user.pk)

    assert User.objects.get(pk=user.pk).avatar == ""
    assert [job.name for job in OutboxRow.objects.all()] == ["users.remove_file"]


def test_what_is_no_picture_changes_nothing() -> None:
    user = UserFactory.create()
    before = AvatarService.replace(user_id=user.pk, content=png()).avatar

    with pytest.raises(InvalidInputError) as refused:
        AvatarService.replace(user_id=user.pk, content=b"MZ not a picture")

    assert [(error.field, error.code) for error in refused.value.errors] == [("file", "invalid_image")]
    assert User.objects.get(pk=user.pk).avatar == before
    assert files() == [before]


def test_an_upload_for_nobody_leaves_an_orphan_that_the_clean_up_takes() -> None:
    user = UserFactory.create()
    kept = AvatarService.replace(user_id=user.pk, content=png()).avatar
    with pytest.raises(NotFoundError):
        AvatarService.replace(user_id=uuid4(), content=png())
    assert len(files()) == 2

    assert AvatarService.remove_orphans() == 0
    with freeze_time(datetime.now(UTC) + timedelta(hours=2)):
        assert AvatarService.remove_orphans() == 1

    assert files() == [kept]


def test_the_clean_up_goes_through_all_files_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avatars, "LOOK_AT_ONCE", 2)
    kept = {AvatarService.replace(user_id=user.pk, content=png()).avatar for user in UserFactory.create_batch(3)}
    for key in ("avatars/0.webp", *(f"avatars/{uuid4()}/1.webp" for _ in range(3))):
        FileStore.save(key=key, content=b"x")

    with freeze_time(datetime.now(UTC) + timedelta(hours=2)):
        AvatarService.remove_orphans()
        while OutboxRow.objects.exclude(state=OutboxState.DONE).exists():
            run_jobs()

    assert set(files()) == kept
    assert [job.name for job in OutboxRow.objects.all()] == ["users.clean_orphaned_files"] * 3


@pytest.mark.django_db(transaction=True)
def test_the_clean_up_is_a_job() -> None:
    with pytest.raises(NotFoundError):
        AvatarService.replace(user_id=uuid4(), content=png())
    job = OutboxRow.objects.create(name="users.clean_orphaned_files", payload={}, state=OutboxState.PUBLISHED)

    with freeze_time(datetime.now(UTC) + timedelta(hours=2)):
        clean_orphaned_files(str(job.pk))

    assert files() == []
