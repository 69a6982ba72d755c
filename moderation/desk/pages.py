"""What every page of the desk and the settings has in common: errors, forms, filters."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    flash,
    g,
    make_response,
    render_template,
    request,
)
from sqlalchemy.exc import DBAPIError, TimeoutError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import IntegerConverter

from moderation.edge import (
    PROBLEMS,
    RETRY_AFTER_S,
    current_login,
    http_problem,
    refuse_forged_forms,
    storage_problem,
)
from moderation.flows.errors import Invalid, ModerationError
from moderation.store.tables import ID_MOST


class RowNumber(IntegerConverter):
    """The number of a row in an address: up to nine digits, which every database can look for."""

    regex = r"\d{1,9}"


PLACES = re.compile(r"/(settings|desk|account|login|logout)?(/|$)")
"""Where pages are: the front page, and all below these."""

TITLES = {
    400: "That did not work",
    403: "Not for you",
    404: "Not found",
    405: "That is not how this page is used",
    409: "Somebody was faster",
    412: "Somebody was faster",
    422: "Something is not right yet",
    503: "The database is away",
}


def pages(name: str, url_prefix: str) -> Blueprint:
    """A blueprint of pages: forms are guarded, and refusals are pages, not JSON."""
    bp = Blueprint(name, "moderation.desk", url_prefix=url_prefix)
    bp.record_once(lambda state: state.app.url_map.converters.update(row=RowNumber))
    bp.before_request(_refuse_nul)
    bp.before_request(refuse_forged_forms)
    bp.app_context_processor(lambda: {"login": current_login()})
    bp.register_error_handler(ModerationError, _refusal)
    bp.register_error_handler(HTTPException, _http_error)
    bp.register_error_handler(DBAPIError, _storage_error)
    bp.register_error_handler(TimeoutError, _storage_error)
    return bp


def register_filters(app: Flask) -> None:
    """The filters of the pages; and pages for what goes wrong before a page is found."""
    app.register_error_handler(HTTPException, _before_any_page)
    app.jinja_env.filters.update(in_zone=in_zone, ago=ago, split_marks=split_marks)


def error_page(status: int, message: str) -> Response:
    """A page that says what is wrong, with a way on."""
    title = TITLES.get(status, "Something went wrong")
    page = render_template("error.html", title=title, message=message, status=status)
    return make_response(page, status)


def confirm_page(
    title: str, what: str, *, button: str, to: str, back: str, fields: dict[str, Any]
) -> str:
    """A page that asks before something that can't be undone; its form then orders it.

    what    what will be, in a sentence or two
    to      where the form goes, with these `fields`
    back    where one goes who would rather not
    """
    return render_template(
        "confirm.html", title=title, what=what, button=button, to=to, back=back, fields=fields
    )


def field_errors(error: Invalid) -> dict[str, str]:
    """Field → what is wrong with it, of a refused form."""
    return {pointer.removeprefix("#/"): why for pointer, why in error.errors}


def whole(text: str, most: int = ID_MOST) -> int | None:
    """A number as a form sends it back: digits, and not greater than a row's can be."""
    good = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if good and int(text) <= most else None


def flash_error(error: ModerationError) -> None:
    if isinstance(error, Invalid):
        flash("; ".join(why for _, why in error.errors), "error")
    else:
        message = str(error)
        flash(message[:1].upper() + message[1:] + ".", "error")


def in_zone(iso: str | datetime) -> str:
    """A moment in the viewer's time zone, to the minute."""
    moment = datetime.fromisoformat(iso) if isinstance(iso, str) else iso
    zone = g.viewer.timezone if "viewer" in g else "UTC"
    return moment.astimezone(ZoneInfo(zone)).strftime("%d %b %Y, %H:%M %Z")


def ago(iso: str | datetime) -> str:
    """How long ago a moment was, in the largest unit that fits."""
    moment = datetime.fromisoformat(iso) if isinstance(iso, str) else iso
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{int(abs(seconds) // size)} {name} {'ago' if seconds > 0 else 'from now'}"
    return "just now"


def split_marks(body: str, reasons: list[dict[str, Any]]) -> Iterator[tuple[str, str | None]]:
    """A body in pieces, each with the reason that marks it or None.

    Spans are code points of the body; where two overlap, both reasons are named.
    """
    whys: dict[tuple[int, int], list[str]] = {}
    for reason in reasons:
        for span in reason["spans"]:
            whys.setdefault((span["start"], span["end"]), []).append(reason["message"])
    cuts = sorted({0, len(body), *(cut for span in whys for cut in span if cut <= len(body))})
    for start, end in pairwise(cuts):
        covering = [w for (a, b), names in whys.items() if a <= start and end <= b for w in names]
        yield body[start:end], "; ".join(dict.fromkeys(covering)) or None


def _refuse_nul() -> None:
    """Nothing has a NUL in its address, and PostgreSQL takes none, not even to look."""
    if "\0" in request.path or any("\0" in f"{k}{v}" for k, v in request.args.items(multi=True)):
        abort(404)


def _refusal(error: ModerationError) -> Response:
    status = PROBLEMS[type(error)][0] if type(error) in PROBLEMS else 422
    message = str(error)
    return error_page(status, message[:1].upper() + message[1:])


def _http_error(error: HTTPException) -> Response:
    page = error_page(error.code or 500, error.description or "")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        page.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return page


def _before_any_page(error: HTTPException) -> Response:
    """An address or a method that no route takes: a page where the neighbours are pages."""
    return _http_error(error) if PLACES.match(request.path) else http_problem(error)


def _storage_error(error: Any) -> Response:
    storage_problem(error)  # it is the one that logs
    page = error_page(503, "Nothing was changed. The page can be loaded again in a few seconds.")
    page.headers["Retry-After"] = str(RETRY_AFTER_S)
    return page


def here_or(fallback: str) -> str:
    """Where a login shall lead: a path of this site only, else the fallback."""
    wanted = request.values.get("next", "")
    if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable():
        return wanted
    return fallback
