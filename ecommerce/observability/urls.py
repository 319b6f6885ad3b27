from django.urls import path

from ecommerce.observability import views

urlpatterns = [
    path("health", views.health, name="health"),
    path("ready", views.ready, name="ready"),
    path("live", views.live, name="live"),
    path("metrics", views.metrics, name="metrics"),
]
