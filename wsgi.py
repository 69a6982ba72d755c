"""The WSGI application: `gunicorn wsgi:app`, and `FLASK_APP=wsgi` for the commands."""

import sys

from config import SettingError, Settings
from moderation.app import create_app

try:
    app = create_app(Settings.from_env())
except SettingError as error:
    sys.exit(str(error))
