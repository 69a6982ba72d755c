"""The edge: who is calling, and one shape for every refusal.

Every route says who may call it with one of the decorators here (`open_to`); a test
holds that none is left out. Flows raise `ModerationError`s; here they become RFC 9457
problems. What the database can't do now is a 503 with Retry-After: never a 2xx for
what is not stored, never a stack trace.
"""

import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from flask import Flask, Response, current_app, g, json, redirect, request, url_for
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, TimeoutError
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from moderation import logs, metrics
from moderation.core.viewer import Scope, Viewer
from moderation.flows import access, errors
from moderation.flows.runtime import Runtime
from moderation.jsontext import BadJSON, BadText
from moderation.store.database import reason_of

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

csrf = CSRFProtect()
COOKIE = "copydesk_session"
RETRY_AFTER_S = 5
OVERLOADED_AFTER_S = 30

PROBLEMS: Mapping[type[errors.ModerationError], tuple[int, str]] = {
    errors.NotFound: (404, "not-found"),
    errors.WebhookReused: (409, "webhook-reused"),
    errors.Removed: (409, "removed"),
    errors.StaleRevision: (409, "stale-revision"),
    errors.NotYourClaim: (409, "not-your-claim"),
    errors.NotCurrent: (409, "not-current"),
    errors.Stale: (412, "stale"),
    errors.Invalid: (422, "invalid"),
    errors.Forbidden: (403, "forbidden"),
    errors.Overloaded: (503, "overloaded"),
}
"""Each refusal's status and the last part of its problem type."""


def runtime() -> Runtime:
    """The Runtime of the app that serves this request."""
    return cast(Runtime, current_app.extensions["moderation"])


def problem(
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    pointers: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An RFC 9457 answer. `type` is about:blank where the status says it all."""
    body: dict[str, Any] = {
        "type": f"urn:copydesk:problem:{kind}" if kind else "about:blank",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
    if pointers:
        body["errors"] = pointers
    return Response(
        json.dumps(body), status, dict(headers or {}), content_type="application/problem+json"
    )


def problem_of(error: errors.ModerationError) -> Response:
    """A flow's refusal as a problem."""
    status, kind = PROBLEMS[type(error)]
    pointers = None
    if isinstance(error, errors.Invalid):
        pointers = [{"pointer": pointer, "detail": why} for pointer, why in error.errors]
    later = {"Retry-After": str(OVERLOADED_AFTER_S)} if status == 503 else None
    return problem(status, str(error), kind=kind, pointers=pointers, headers=later)


def unauthorized(detail: str = "the request is not signed by this site") -> Response:
    return problem(
        401, detail, kind="unauthorized", headers={"WWW-Authenticate": 'Bearer realm="copydesk"'}
    )


def storage_problem(error: SQLAlchemyError) -> Response:
    """503: the database can't do it now."""
    log.error("the database failed: %s", reason_of(error), exc_info=error)
    return problem(
        503,
        "the database can't do this now; try again",
        kind="storage",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def register_problems(app: Flask) -> None:
    """Turn every refusal on this app into a problem; the desk has its own pages."""
    app.register_error_handler(errors.ModerationError, problem_of)
    app.register_error_handler(DBAPIError, _database_problem)
    app.register_error_handler(TimeoutError, storage_problem)
    app.register_error_handler(
        BadJSON, lambda e: problem(400, f"the body is not JSON that is read here: {e}", kind="json")
    )
    app.register_error_handler(
        BadText,
        lambda e: problem(
            422, str(e), kind="invalid", pointers=[{"pointer": e.pointer, "detail": e.why}]
        ),
    )
    app.register_error_handler(HTTPException, http_problem)
    app.register_error_handler(Exception, _unexpected)


def viewer() -> Viewer:
    """Who is calling; set by `people_only` and `viewers_with`."""
    return cast(Viewer, g.viewer)


def everyone(view: View) -> View:
    """Mark a route that anybody may call."""
    view.open_to = "everyone"  # type: ignore[attr-defined]
    return view


def sites_only(view: View) -> View:
    """Mark a route that verifies a site's signature itself, over the raw bytes."""
    view.open_to = "sites"  # type: ignore[attr-defined]
    return view


def viewers_with(scope: Scope) -> Callable[[View], View]:
    """Let in a bearer token or a desk login that has a scope: 401 without, 403 with less."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            found = _caller()
            if found is None:
                return unauthorized("a bearer token or a login is needed")
            if scope not in found.scopes:
                return problem(403, f"this needs the scope {scope.value}", kind="forbidden")
            g.viewer = found
            return view(*args, **kwargs)

        guarded.open_to = f"viewers with {scope.value}"  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def people_only(view: View) -> View:
    """Let in people who are logged in; others go to the login and come back."""
    return _for_people(view, admins=False)


def admins_only(view: View) -> View:
    """Let in admins who are logged in; a moderator is refused with a page."""
    return _for_people(view, admins=True)


def _for_people(view: View, *, admins: bool) -> View:
    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        login = current_login()
        if login is None:
            wanted = request.full_path.rstrip("?") if request.method == "GET" else None
            return redirect(url_for("session.login", next=wanted), 303)
        g.viewer = login.viewer
        if login.must_change_password and request.endpoint != "session.password":
            return redirect(url_for("session.password"), 303)
        if admins and not login.viewer.is_admin:
            raise errors.Forbidden("Only admins see the settings.")
        return view(*args, **kwargs)

    guarded.open_to = "admins" if admins else "people"  # type: ignore[attr-defined]
    return cast(View, guarded)


def refuse_forged_forms() -> None:
    """Refuse a form that another site's page has sent. For blueprints with pages."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise BadRequest("This form was sent from another site.")
        csrf.protect()


def current_login() -> access.LoggedIn | None:
    """The live login behind this request's cookie, if any; looked up once a request."""
    if "login" not in g:
        token = request.cookies.get(COOKIE)
        g.login = access.logged_in(runtime(), token) if token else None
    return cast("access.LoggedIn | None", g.login)


def bearer_token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def begin_request() -> None:
    """Give the request its id and its time."""
    g.began = time.perf_counter()
    g.request_id = logs.begin(request.headers.get("X-Request-Id"))


def end_request(response: Response) -> Response:
    """Count the request, log it, and tell its id."""
    if "began" not in g:
        return response
    took = time.perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule else "none"
    metrics.REQUESTS.labels(request.method, route, response.status_code).observe(took)
    response.headers["X-Request-Id"] = g.request_id
    fields = {
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "ms": round(took * 1000, 1),
    }
    log.info("request", extra={"fields": fields})
    return response


def add_security_headers(response: Response) -> Response:
    """What every answer carries; a page that needs more sets its own policy first."""
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if "viewer" in g:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _caller() -> Viewer | None:
    token = bearer_token()
    if token is not None:
        return access.viewer_of_key(runtime(), token)
    login = current_login()
    if login is None or login.must_change_password:
        return None
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        csrf.protect()  # a cookie is sent by any page's form; a token is not
    return login.viewer


def _database_problem(error: DBAPIError) -> Response:
    return _unexpected(error) if isinstance(error, DataError) else storage_problem(error)


def http_problem(error: HTTPException) -> Response:
    """What the framework refuses, as a problem; its headers stay."""
    headers = {
        name: value
        for name, value in error.get_headers()
        if name.lower() not in ("content-type", "content-length")
    }
    return problem(error.code or 500, error.description or "", headers=headers)


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem(500, "something went wrong here; it is in the log")
