from django.urls import path

from tests.layerline.flow.slices.shelf import views

urlpatterns = [
    *(
        path(f"{name}/", getattr(views, name).as_view())
        for name in (
            "OpenView",
            "AskingView",
            "PagedView",
            "AddingView",
            "OrderView",
            "FailingAuthenticationView",
            "FailingThrottleView",
            "FailingPermissionView",
            "FailingRendererView",
            "FailingView",
            "FailingServiceView",
            "FailingSelectorView",
            "FailingStatementView",
            "CountingView",
            "LazyView",
            "AtomicView",
            "LazySerializerView",
            "CountingSerializerView",
            "SavingSerializerView",
            "LazyRendererView",
            "CountingPermissionView",
            "CountingThrottleView",
            "CountingAuthenticationView",
            "CountingParserView",
            "WritingFilterView",
            "ManyView",
        )
    ),
    path("plain/", views.plain),
    path("counting/", views.counting),
    path("lazy_template/", views.lazy_template),
    path("reading_the_session_user/", views.reading_the_session_user),
]
