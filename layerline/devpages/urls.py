from django.urls import path, register_converter

from layerline.devpages import views
from layerline.devpages.folder import ID_PATTERN


class FileIdConverter:
    """Lets through what can be the name of a stored file: no dot, no slash, no other folder."""

    regex = ID_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(FileIdConverter, "file_id")

app_name = "devpages"

urlpatterns = [
    path("", views.start, name="start"),
    path("dev/services/", views.services, name="services"),
    path("dev/flows/", views.flow_list, name="flows"),
    path("dev/flows/delete/", views.delete_all_flows, name="delete-flows"),
    path("dev/flows/<file_id:flow_id>/", views.flow, name="flow"),
    path("dev/mailbox/", views.mails, name="mails"),
    path("dev/mailbox/samples/", views.store_samples, name="samples"),
    path("dev/mailbox/delete/", views.delete_all_mails, name="delete-all"),
    path("dev/mailbox/<file_id:mail_id>/", views.mail, name="mail"),
    path("dev/mailbox/<file_id:mail_id>/text/", views.mail_text, name="mail-text"),
    path("dev/mailbox/<file_id:mail_id>/source/", views.mail_source, name="mail-source"),
    path("dev/mailbox/<file_id:mail_id>/html/", views.mail_html, name="mail-html"),
    path("dev/mailbox/<file_id:mail_id>/delete/", views.delete_mail, name="delete"),
    path("<slug:name>", views.link, name="link"),
]
