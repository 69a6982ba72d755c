"""Logging in and out, and one's own account."""

from typing import Any
from zoneinfo import available_timezones

from flask import Response, flash, make_response, redirect, render_template, request, url_for

from moderation.desk.pages import (
    confirm_page,
    field_errors,
    flash_error,
    here_or,
    pages,
)
from moderation.edge import COOKIE, current_login, everyone, people_only, runtime, viewer
from moderation.flows import access
from moderation.flows.errors import Invalid, NotFound

bp = pages("session", "")


@bp.route("/login", methods=["GET", "POST"])
@everyone
def login() -> Any:
    """The login; says the same for an unknown address and a wrong password."""
    if request.method == "GET":
        if current_login():
            return redirect(url_for("desk.queue"), 303)
        return render_template("login.html", next=here_or(""), email="", message=None)
    email, message, headers, status = request.form.get("email", ""), "", {}, 422
    try:
        token = access.login(
            runtime(), email, request.form.get("password", ""), address=_address(), agent=_agent()
        )
        return _with_cookie(redirect(here_or(url_for("desk.queue")), 303), token)
    except access.LoginFailed as error:
        message = f"{str(error).capitalize()}."
    except access.TooManyFailures as error:
        message, headers, status = f"{str(error).capitalize()}.", {"Retry-After": error.wait_s}, 429
    page = render_template("login.html", next=here_or(""), email=email, message=message)
    return page, status, headers


@bp.post("/logout")
@everyone
def logout() -> Any:
    token = request.cookies.get(COOKIE)
    if token:
        access.logout(runtime(), token)
    response = redirect(url_for("session.login"), 303)
    response.delete_cookie(COOKIE)
    return response


@bp.route("/account/password", methods=["GET", "POST"])
@people_only
def password() -> Any:
    """A new password; every other login of this person ends."""
    wrong: dict[str, str] = {}
    if request.method == "POST":
        old, new = request.form.get("old", ""), request.form.get("new", "")
        try:
            if new != request.form.get("again", ""):
                raise Invalid(("#/again", "differs from the new password"))
            token = access.change_password(
                runtime(), viewer(), old, new, address=_address(), agent=_agent()
            )
        except Invalid as error:
            wrong = field_errors(error)
            wrong["new"] = wrong.pop("password", wrong.get("new", ""))
        else:
            flash("Your password is changed.", "good")
            return _with_cookie(redirect(url_for("desk.queue"), 303), token)
    login = current_login()
    first = login is not None and login.must_change_password
    return render_template("password.html", wrong=wrong, first=first), 422 if wrong else 200


@bp.get("/account")
@people_only
def account() -> Any:
    """One's own time zone, password and tokens."""
    return _account_page()


@bp.post("/account/timezone")
@people_only
def timezone() -> Any:
    try:
        access.set_timezone(runtime(), viewer(), request.form.get("timezone", ""))
        flash("Times are now shown in your zone.", "good")
    except Invalid as error:
        flash_error(error)
    return redirect(url_for("session.account"), 303)


@bp.post("/account/keys")
@people_only
def add_key() -> Any:
    """A token for one's own scripts, shown in the answer and never again."""
    try:
        name = request.form.get("name", "")
        return _account_page(access.add_person_key(runtime(), viewer(), name))
    except Invalid as error:
        return _account_page(wrong=field_errors(error)), 422


@bp.get("/account/keys/<row:key_id>/revoke")
@people_only
def confirm_revoking(key_id: int) -> Any:
    """Ask before a token is ended."""
    mine = access.keys_of(runtime(), viewer())
    key = next((key for key in mine if key.id == key_id and not key.revoked_at), None)
    if key is None:
        raise NotFound(f"there is no token {key_id} to revoke")
    return confirm_page(
        f"Revoke the token “{key.name}”?",
        "Whatever uses it is refused at once. It can't be brought back; a new one can be made.",
        button="Revoke the token",
        to=url_for("session.revoke_key", key_id=key_id),
        back=url_for("session.account"),
        fields={},
    )


@bp.post("/account/keys/<row:key_id>/revoke")
@people_only
def revoke_key(key_id: int) -> Any:
    access.revoke_own_key(runtime(), viewer(), key_id)
    flash("The token is revoked.", "good")
    return redirect(url_for("session.account"), 303)


def _account_page(made: str | None = None, wrong: dict[str, str] | None = None) -> str:
    return render_template(
        "account.html",
        keys=access.keys_of(runtime(), viewer()),
        made=made,
        given=request.form,
        wrong=wrong or {},
        zones=sorted(available_timezones()),
    )


def _with_cookie(response: Any, token: str) -> Response:
    made = make_response(response)
    made.set_cookie(COOKIE, token, httponly=True, samesite="Lax", secure=request.is_secure)
    return made


def _address() -> str:
    return request.remote_addr or ""


def _agent() -> str:
    return request.headers.get("User-Agent", "")
