from django.db.models import TextChoices


class AuditAction(TextChoices):
    """What can have been done to an account; the past tense of the service's method."""

    REGISTERED = "registered"
    UPDATED = "updated"
    DEACTIVATED = "deactivated"
    REACTIVATED = "reactivated"
    ERASED = "erased"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    SESSION_ENDED = "session_ended"
    TOKEN_REUSED = "token_reused"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    MFA_ENABLED = "mfa_enabled"
    MFA_DISABLED = "mfa_disabled"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    MFA_FAILURES = "mfa_failures"


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
