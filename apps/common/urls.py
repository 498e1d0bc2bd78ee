from django.urls import path

from apps.common import views

urlpatterns = [
    path("problems/", views.problems, name="problems"),
]

health_urlpatterns = [
    path("live/", views.live, name="health-live"),
    path("ready/", views.ready, name="health-ready"),
]
