from django.urls import path, re_path

from ecommerce.calls import server

urlpatterns = [
    path("<str:context>/v1/<str:method>", server.call, name="call"),
    re_path(r"^(?P<path>.*)$", server.nothing),
]
