from django.db.models import TextChoices


class AuditAction(TextChoices):
    """What can have been done to an account; the past tense of the service's method, and how it is told to a person."""

    REGISTERED = "registered", "account opened"
    REGISTRATION_TRIED = "registration_tried", "registration with its address tried"
    UPDATED = "updated", "account changed"
    DEACTIVATED = "deactivated", "account closed"
    REACTIVATED = "reactivated", "account opened again"
    ERASED = "erased", "account erased"
    SIGNED_IN = "signed_in", "signed in"
    LOGIN_FAILURES = "login_failures", "many failed logins"
    SIGNED_OUT = "signed_out", "signed out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere", "signed out everywhere"
    SESSION_ENDED = "session_ended", "session ended"
    TOKEN_REUSED = "token_reused", "refresh token used twice"
    PASSWORD_CHANGED = "password_changed", "password changed"
    PASSWORD_RESET = "password_reset", "password reset"
    EMAIL_VERIFIED = "email_verified", "address confirmed"
    EMAIL_CHANGE_ASKED = "email_change_asked", "change of address asked for"
    EMAIL_CHANGED = "email_changed", "address changed"
    MFA_ENABLED = "mfa_enabled", "second factor set up"
    MFA_DISABLED = "mfa_disabled", "second factor turned off"
    RECOVERY_CODE_USED = "recovery_code_used", "recovery code used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed", "recovery codes renewed"
    MFA_FAILURES = "mfa_failures", "many wrong codes at signing in"
    # What moderators and admins did in rooms for their role alone.
    ROOM_READ = "room_read", "room read that they are not in"
    ROOM_CLOSED = "room_closed", "room closed"
    ROOM_REOPENED = "room_reopened", "room opened again"
    MESSAGE_REMOVED = "message_removed", "message removed"
    MEMBER_MUTED = "member_muted", "muted in a room, or no longer"


class Notice(TextChoices):
    """What an owner is told by mail, because it may have been somebody else."""

    TOKEN_REUSED = "token_reused"
    LOGIN_FAILURES = "login_failures"
    PASSWORD_CHANGED = "password_changed"
    EMAIL_CHANGED = "email_changed"
    MFA_ENABLED = "mfa_enabled"
    MFA_DISABLED = "mfa_disabled"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    MFA_FAILURES = "mfa_failures"


class LinkPurpose(TextChoices):
    """What the link of a mail does for whoever opens it."""

    VERIFY_EMAIL = "verify_email"
    CHANGE_EMAIL = "change_email"
    RESET_PASSWORD = "reset_password"
