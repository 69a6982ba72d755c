"""The WSGI application: `gunicorn wsgi:app`, and `FLASK_APP=wsgi` for the commands."""

import sys

from config import SettingError, Settings

try:
    settings = Settings.from_env()
except SettingError as error:
    sys.exit(str(error))

# Only now: what counts for /metrics asks at its import where to count.
from moderation.app import create_app

app = create_app(settings)
