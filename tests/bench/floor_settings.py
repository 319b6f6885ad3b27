"""Django with nothing in it: what any page costs at least on this server."""

SECRET_KEY = "only-for-the-benchmark"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.bench.floor_urls"
MIDDLEWARE: list[str] = []
INSTALLED_APPS: list[str] = []
LOGGING_CONFIG = None
USE_I18N = False
