from django.urls import include, path

urlpatterns = [path("", include("layerline.devpages.urls"))]
