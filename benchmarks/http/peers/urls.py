from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from accounts.drf import AccountList, Me
from accounts.ninja import api

urlpatterns = [
    path("api/drf/me/", Me.as_view()),
    path("api/drf/users/", AccountList.as_view()),
    path("api/drf/login/", TokenObtainPairView.as_view()),
    path("api/ninja/", api.urls),
]
