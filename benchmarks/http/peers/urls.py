from accounts.drf import AccountList, Me
from accounts.ninja import api
from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

urlpatterns = [
    path("api/drf/me/", Me.as_view()),
    path("api/drf/users/", AccountList.as_view()),
    path("api/drf/login/", TokenObtainPairView.as_view()),
    path("api/ninja/", api.urls),
]
