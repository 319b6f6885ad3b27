"""What identity answers over HTTP: its own REST views, and the hooks of django-allauth's."""
