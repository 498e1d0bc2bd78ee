from django.urls import path, register_converter

from layerline.devpages import views
from layerline.devpages.mailbox import MAIL_ID_PATTERN


class MailIdConverter:
    """Lets through what can be the name of a stored mail: no dot, no slash, no other folder."""

    regex = MAIL_ID_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(MailIdConverter, "mail_id")

app_name = "devpages"

urlpatterns = [
    path("", views.start, name="start"),
    path("dev/services/", views.services, name="services"),
    path("dev/mailbox/", views.mails, name="mails"),
    path("dev/mailbox/delete/", views.delete_all_mails, name="delete-all"),
    path("dev/mailbox/<mail_id:mail_id>/", views.mail, name="mail"),
    path("dev/mailbox/<mail_id:mail_id>/text/", views.mail_text, name="mail-text"),
    path("dev/mailbox/<mail_id:mail_id>/source/", views.mail_source, name="mail-source"),
    path("dev/mailbox/<mail_id:mail_id>/html/", views.mail_html, name="mail-html"),
    path("dev/mailbox/<mail_id:mail_id>/delete/", views.delete_mail, name="delete"),
]
