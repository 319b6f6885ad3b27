"""What the back office as a whole looks like, beside its colours in ``unfold.py``."""

from django.contrib import admin

admin.site.index_template = "config/admin_index.html"
