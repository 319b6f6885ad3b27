"""For hosts that offer ASGI only. Prefer WSGI: views that query the database are several times slower here."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

application = get_asgi_application()
