from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils.html import format_html

from apps.common.admin import ServiceAdmin, reason
from apps.common.enums import Role
from apps.common.exceptions import AppException, InvalidInputError, ThrottledError
from apps.common.pagination import CappedPaginator
from apps.common.requests import actor
from apps.users.enums import AuditAction
from apps.users.managers import UserManager
from apps.users.models import AuditEntry, Session, User
from apps.users.selectors import AuditSelector, MfaSelector
from apps.users.services import (
    AttemptService,
    ErasureService,
    MfaChallengeService,
    MfaService,
    PasswordService,
    UserService,
)
from infrastructure.redis import RedisUnavailable

# What somebody did who did not say who it was.
_BY_SOMEBODY: Final = {
    AuditAction.LOGIN_FAILURES,
    AuditAction.MFA_FAILURES,
    AuditAction.REGISTRATION_TRIED,
    AuditAction.TOKEN_REUSED,
}
_TIMES: Final = ("email_verified_at", "last_login", "created_at", "updated_at", "erased_at")


class SignInForm(AdminAuthenticationForm):
    """Django's own, and a code from whoever has a second factor."""

    code = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
        help_text="Of your app, or a recovery code. Empty if your second factor is off.",
    )

    def clean(self) -> dict[str, Any]:
        """Check the password, unless it was tried too often: the limits are those of logins over the API."""
        try:
            AttemptService.admit_login(email=self.cleaned_data.get("username", ""))
        except ThrottledError as error:
            raise ValidationError(_with_time(error), code=error.code) from None
        return super().clean()

    def get_invalid_login_error(self) -> ValidationError:
        """Return what is told of a wrong password, and count it."""
        AttemptService.login_failed(email=self.cleaned_data.get("username", ""))
        return super().get_invalid_login_error()

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        super().confirm_login_allowed(user)  # type: ignore[arg-type]  # the stubs want their own user
        if not MfaSelector.is_on(user_id=user.pk):
            return
        code = self.cleaned_data.get("code")
        if not code:
            raise ValidationError("Your second factor is on: give a code as well.", code="code_required")
        try:
            MfaChallengeService.confirm(user_id=user.pk, code=code)
        except AppException as error:
            raise ValidationError(error.detail, code=error.code) from None


admin.site.login_form = SignInForm
admin.site.login_template = "users/admin_login.html"


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's own, whose change goes through the service: sessions end, the owner is told, the trail knows it."""

    names: ClassVar[Mapping[str, str]] = {"current": "old_password", "new": "new_password1"}

    def clean_old_password(self) -> str:
        """Leave it to the service to check it: each check costs a hash."""
        password: str = self.cleaned_data["old_password"]
        return password

    def clean(self) -> dict[str, Any]:
        """Change the password once nothing else is wrong with the form."""
        data: dict[str, Any] = super().clean() or {}
        if not self.errors:
            self._change(data["old_password"], data["new_password1"])
        return data

    def _change(self, current: str, new: str) -> None:
        """Change it, or tell why not at a field: Django's page shows no other errors."""
        try:
            AttemptService.admit_password(user_id=self.user.pk)
            self.user = PasswordService.change_at_site(user_id=self.user.pk, current=current, new=new)
        except InvalidInputError as error:
            for each in error.errors:
                self.add_error(self.names[each.field], each.detail)
        except ThrottledError as error:
            self.add_error("old_password", _with_time(error))
        except RedisUnavailable as error:
            self.add_error("old_password", reason(error))

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        """Return the account; it is saved."""
        return self.user


class OwnPasswordView(PasswordChangeView):
    """The admin site's page for one's own password."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")
    template_name = "registration/password_change_form.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | admin.site.each_context(self.request)


def _with_time(error: ThrottledError) -> str:
    return f"{error.detail} The next is possible in {error.retry_after} s."


class UserCreationForm(forms.ModelForm[User]):
    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)

    class Meta:
        model = User
        fields = ("email", "name", "phone", "role")

    def clean_email(self) -> str:
        return UserManager.normalize_email(self.cleaned_data["email"])

    def clean_password(self) -> str:
        draft = User(email=self.cleaned_data.get("email", ""), name=self.cleaned_data.get("name", ""))
        password: str = self.cleaned_data["password"]
        validate_password(password, draft)
        return password


@admin.register(User)
class UserAdmin(ServiceAdmin[User]):
    """Accounts, under the same rules as over the API: every change goes through UserService."""

    list_display = ("email", "name", "role", "is_active", "is_staff", "created_at")
    list_filter = ("role", "is_active", "is_staff", ("erased_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "name")
    search_help_text = "Beginnings of words of the name or the address."
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    actions = ("deactivate", "reactivate", "turn_off_second_factor", "erase")
    readonly_fields = ("id", "email", "is_active", "second_factor", *_TIMES)
    fields = ("id", "email", "name", "phone", "role", "is_staff", "is_active", "second_factor", *_TIMES)
    add_form = UserCreationForm
    add_fields: ClassVar[tuple[str, ...]] = ("email", "name", "phone", "role", "password")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).defer("password")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        found = User.objects.get_queryset().search(search_term).values("pk") if search_term.strip() else None
        return (queryset.filter(pk__in=found) if found is not None else queryset), False

    def get_form(
        self,
        request: HttpRequest,
        obj: User | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  # Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm[User]]:
        if obj is None:
            kwargs["form"] = self.add_form
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is None:
            return self.add_fields
        # The whole number is for those who may change it.
        phone = "phone" if self.has_change_permission(request, obj) else "masked_phone"
        return tuple(phone if name == "phone" else name for name in self.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return () if obj is None else (*self.readonly_fields, "masked_phone")

    @admin.display(description="phone")
    def masked_phone(self, user: User) -> str:
        return f"{user.phone[:3]}•••••{user.phone[-4:]}" if user.phone else "-"

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: accounts are deactivated or erased, since what they wrote refers to them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not of what was erased: there is nothing left to change."""
        return super().has_change_permission(request, obj) and (obj is None or obj.erased_at is None)

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool) -> None:  # noqa: FBT001  # Django's signature
        data = form.cleaned_data
        if not change:
            account = UserService.register(
                email=data["email"],
                name=data["name"],
                password=data["password"],
                phone=data["phone"] or None,
                actor_id=actor(request).id,
            )
            obj.pk = account.id
            # What follows in the admin site must update this row, not insert another.
            obj._state.adding = False  # noqa: SLF001  # Django's way to tell an insert
            if data["role"] == Role.USER:
                return
        changes = {name: data[name] for name in form.changed_data if name not in {"email", "password"}}
        UserService.update(actor=actor(request), user_id=obj.pk, changes=changes)

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Write no log of Django's own, which would repeat the address; the service wrote the audit trail."""

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Write no log of Django's own, as for `log_addition`."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the account's entries in the audit trail."""
        return HttpResponseRedirect(f"{reverse('admin:users_auditentry_changelist')}?q={object_id}")

    @admin.action(permissions=["change"], description="Deactivate the selected accounts")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, UserService.deactivate, "deactivated")

    @admin.action(permissions=["change"], description="Reactivate the selected accounts")
    def reactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, UserService.reactivate, "reactivated")

    @admin.action(permissions=["change"], description="Erase the selected accounts for good")
    def erase(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask once more before it is done."""
        if "sure" in request.POST:
            self._each(request, queryset, ErasureService.erase, "erased")
            return None
        context = self.admin_site.each_context(request) | {"title": "Erase for good?", "accounts": queryset}
        return TemplateResponse(request, "admin/users/user/erase.html", context)

    @admin.action(permissions=["change"], description="Turn off the second factor of the selected accounts")
    def turn_off_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, MfaService.turn_off, "without a second factor")

    @admin.display(boolean=True)
    def second_factor(self, user: User) -> bool:
        return MfaSelector.is_on(user_id=user.pk)

    def _each(self, request: HttpRequest, queryset: QuerySet[User], service: Any, done: str) -> None:
        count = 0
        for user in queryset:
            try:
                service(actor=actor(request), user_id=user.pk)
                count += 1
            except (AppException, RedisUnavailable) as error:
                self.message_user(request, f"{user}: {reason(error)}", messages.ERROR)
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin[Session]):
    """Logins, to look at."""

    list_display = ("user", "created_at", "expires_at", "ended_at")
    list_select_related = ("user",)
    raw_id_fields = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False


class ActionFilter(admin.SimpleListFilter):
    """One choice for each action there is: Django's own would look for those that occur, in the whole table."""

    title = "what"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return AuditAction.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        action = self.value()
        return queryset.filter(action=action) if action else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin[AuditEntry]):
    """Who did what to which account, to look at. It costs the same however long the trail is."""

    list_display = ("created_at", "what", "account", "by", "address")
    list_filter = (ActionFilter, "created_at")
    search_fields = ("account_id",)
    search_help_text = "The address or id of an account, or the id of a request."
    fields = ("created_at", "what", "account", "by", "address", "user_agent", "request_id", "details")
    paginator = CappedPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return AuditSelector.listing()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        text = search_term.strip()
        return (AuditSelector.narrowed_listing(listing=queryset, text=text) if text else queryset), False

    @admin.display(ordering="action")
    def what(self, entry: AuditEntry) -> str:
        return _told(entry)

    @admin.display
    def account(self, entry: Any) -> str:
        return "-" if entry.account_id is None else _person(entry.account_id, entry.account_email)

    @admin.display
    def by(self, entry: Any) -> str:
        if entry.action in _BY_SOMEBODY:
            return "somebody"
        return "the owner" if entry.actor_id == entry.account_id else _person(entry.actor_id, entry.actor_email)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False


def _told(entry: AuditEntry) -> str:
    """Return what was done as a person would say it: `account changed: name, role (now moderator)`."""
    label = AuditAction(entry.action).label if entry.action in AuditAction else entry.action
    fields = ", ".join(entry.details.get("fields", ()))
    role = f" (now {entry.details['role']})" if "role" in entry.details else ""
    return f"{label}: {fields}{role}" if fields else label


def _person(user_id: UUID, email: str | None) -> str:
    """Return a link to the account, or its id where it is gone."""
    if email is None:
        return str(user_id)
    return format_html('<a href="{}">{}</a>', reverse("admin:users_user_change", args=[user_id]), email)
