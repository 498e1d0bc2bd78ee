from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from apps.common.enums import Role
from apps.users.models import User
from apps.users.tests.factories import UserFactory
from apps.users.tests.pictures import png, upload
from apps.users.tests.support import SignIn, problem, wrong_fields

pytestmark = pytest.mark.django_db

MINE = "/api/v1/auth/me/avatar/"


def put(client: APIClient, **fields: Any) -> Any:
    return client.put(MINE, fields, format="multipart")


def nothing_is_stored() -> bool:
    return not default_storage.exists("avatars") and not User.objects.exclude(avatar="").exists()


def test_a_picture_is_shown_to_everyone_signed_in_at_the_address_that_the_account_names(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    changed = put(client, file=upload(png()))

    assert changed.status_code == 200
    address = changed.json()["avatar"]
    assert address == f"/api/v1/users/{client.user.pk}/avatar/"
    assert client.get("/api/v1/auth/me/").json()["avatar"] == address
    shown = auth_api(Role.USER).get(address, headers={"accept": "image/avif,image/webp,*/*;q=0.8"})
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/webp")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert Image.open(BytesIO(shown.content)).size == (512, 512)


def test_a_picture_can_be_taken_away(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)
    put(client, file=upload(png()))

    assert [client.delete(MINE).status_code for _ in range(2)] == [204, 204]

    assert client.get("/api/v1/auth/me/").json()["avatar"] is None
    assert problem(client.get(f"/api/v1/users/{client.user.pk}/avatar/")) == (404, "not_found")


@pytest.mark.parametrize(
    "hidden", [uuid4, lambda: UserFactory.create().pk, lambda: UserFactory.create(is_active=False).pk]
)
def test_nobody_without_a_picture_is_told_from_nobody_at_all(auth_api: SignIn, hidden: Any) -> None:
    assert problem(auth_api(Role.USER).get(f"/api/v1/users/{hidden()}/avatar/")) == (404, "not_found")


def test_a_picture_of_a_deactivated_account_is_not_shown(auth_api: SignIn) -> None:
    owner = auth_api(Role.USER)
    put(owner, file=upload(png()))
    User.objects.get(pk=owner.user.pk)
    owner.user.refresh_from_db()
    owner.user.is_active = False
    owner.user.save()

    assert problem(auth_api(Role.USER).get(f"/api/v1/users/{owner.user.pk}/avatar/")) == (404, "not_found")


def test_an_error_of_a_picture_is_a_problem_document_with_its_own_code(api: APIClient) -> None:
    address = f"/api/v1/users/{uuid4()}/avatar/"

    assert problem(api.get(address, headers={"accept": "image/webp"})) == (401, "authentication_failed")
    response = api.get(address, headers={"authorization": "Bearer nonsense", "accept": "image/webp"})
    assert problem(response) == (401, "token_invalid")


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"MZ\x90\x00", "me.png", "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "me.svg", "image/svg+xml"),
        (b"<html></html>", "../../etc/passwd", "image/png"),
    ],
)
def test_what_is_no_picture_is_refused_whatever_it_calls_itself(
    auth_api: SignIn, content: bytes, name: str, kind: str
) -> None:
    response = put(auth_api(Role.USER), file=upload(content, name, kind))

    assert wrong_fields(response) == {"file": "invalid_image"}
    assert nothing_is_stored()


def test_the_name_of_the_file_is_not_used(auth_api: SignIn) -> None:
    client = auth_api(Role.USER)

    assert put(client, file=upload(png(), "../../../evil.php\x00.png")).status_code == 200

    key = User.objects.get(pk=client.user.pk).avatar
    assert key.startswith(f"avatars/{client.user.pk}/")
    assert key.endswith(".webp")
    assert "evil" not in key


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"file": "required"}),
        ({"file": "text"}, {"file": "invalid"}),
        ({"file": SimpleUploadedFile("me.png", b"", content_type="image/png")}, {"file": "empty"}),
        ({"file": upload(png()), "role": "admin"}, {"role": "unknown"}),
    ],
)
def test_a_form_of_another_shape_is_refused(auth_api: SignIn, fields: dict[str, Any], wrong: dict[str, str]) -> None:
    assert wrong_fields(put(auth_api(Role.USER), **fields)) == wrong
    assert nothing_is_stored()


def test_two_files_at_once_are_refused(auth_api: SignIn) -> None:
    response = auth_api(Role.USER).put(MINE, {"file": [upload(png()), upload(png())]}, format="multipart")

    assert problem(response) == (400, "parse_error")
    assert nothing_is_stored()


def test_a_body_of_more_than_a_file_may_have_is_too_large(auth_api: SignIn) -> None:
    response = put(auth_api(Role.USER), file=upload(bytes(5 * 1024 * 1024 + 20 * 1024)))

    assert problem(response) == (413, "payload_too_large")
    assert nothing_is_stored()


def test_a_file_just_over_five_mebibytes_is_too_large(auth_api: SignIn) -> None:
    response = put(auth_api(Role.USER), file=upload(png() + bytes(5 * 1024 * 1024)))

    assert wrong_fields(response) == {"file": "too_large"}
    assert nothing_is_stored()


@pytest.mark.parametrize("content_type", ["application/json", "image/png", "application/x-www-form-urlencoded"])
def test_only_a_form_with_a_file_is_taken(auth_api: SignIn, content_type: str) -> None:
    response = auth_api(Role.USER).generic("PUT", MINE, "\x00picture", content_type=content_type)

    assert problem(response) == (415, "unsupported_media_type")
    assert nothing_is_stored()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", "--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=", ""),
        ("multipart/form-data; boundary=\xe9", "--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n'),
        ("multipart/form-data; boundary=x", "garbage"),
    ],
)
def test_a_broken_form_is_refused(auth_api: SignIn, content_type: str, body: str) -> None:
    response = auth_api(Role.USER).generic("PUT", MINE, body, content_type=content_type)

    assert response.status_code == 400
    assert problem(response)[1] in {"parse_error", "validation_error"}
    assert nothing_is_stored()
