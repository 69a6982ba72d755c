"""The front page: what this is, and where to go."""

from typing import Any

from flask import current_app, render_template

from moderation.desk.pages import pages
from moderation.edge import everyone, runtime

bp = pages("front", "")


@bp.get("/")
@everyone
def front() -> Any:
    return render_template(
        "front.html", checks=runtime().checks, demo="demo" in current_app.blueprints
    )
