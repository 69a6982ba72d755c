"""The admins' pages: sites, people, deliveries. Policies are in `policies`."""

import secrets
from typing import Any

from flask import flash, redirect, render_template, request, url_for

from moderation.core.viewer import PersonRole, Scope
from moderation.desk import policies
from moderation.desk.pages import field_errors, flash_error, pages
from moderation.edge import admins_only, runtime, viewer
from moderation.flows import access, delivery, review, sites, tuning
from moderation.flows.errors import Forbidden, Invalid, NotFound
from moderation.wire import EVENT_TYPES

bp = pages("settings", "/settings")
policies.register(bp)

STATUSES = ("pending", "delivered", "dead", "withheld")


@bp.get("")
@admins_only
def overview() -> Any:
    """Sites, people, and what judges the comments."""
    rt = runtime()
    slugs = tuning.sites_with_policies(rt, viewer())
    counts, _ = review.queue_choices(rt, viewer(), None)
    return render_template(
        "settings/overview.html",
        sites=slugs,
        counts=counts,
        people=access.people(rt),
        checks=rt.checks,
        scored=sorted(policies.scored_attributes(rt.checks)),
    )


@bp.post("/sites")
@admins_only
def add_site() -> Any:
    """Make a site; its secrets are in the answer and nowhere else."""
    form = request.form
    try:
        made = sites.add_site(
            runtime(),
            form.get("slug", "").strip(),
            form.get("name", ""),
            callback=form.get("callback", "").strip() or None,
            by=viewer().actor,
        )
    except Invalid as error:
        flash_error(error)
        return redirect(url_for("settings.overview"), 303)
    return _site_page(made["site"], made=made)


@bp.get("/sites/<slug>")
@admins_only
def site(slug: str) -> Any:
    return _site_page(slug)


@bp.post("/sites/<slug>")
@admins_only
def change_site(slug: str) -> Any:
    """Whatever the site's page orders: `do` says what."""
    form, rt = request.form, runtime()
    made: dict[str, Any] = {}
    try:
        match form.get("do"):
            case "rename":
                bearer = bool(form.get("allow_bearer"))
                sites.change_site(rt, slug, name=form.get("name", ""), allow_bearer=bearer)
            case "rotate":
                made = {"webhook_secret": sites.rotate_secret(rt, slug)}
            case "add_key":
                key = sites.add_key(rt, slug, form.get("name", ""), form.getlist("scopes"))
                made = {"api_key": key}
            case "revoke_key":
                sites.revoke_key(rt, slug, form.get("id", 0, type=int))
            case "add_endpoint":
                added = sites.add_endpoint(rt, slug, form.get("url", ""), form.getlist("events"))
                made = {"endpoint": added["url"], "endpoint_secret": added["secret"]}
            case "endpoint_on" | "endpoint_off" as switch:
                id = form.get("id", 0, type=int)
                sites.switch_endpoint(rt, slug, id, on=switch == "endpoint_on")
            case _:
                raise NotFound("there is nothing of that kind to do")
    except Invalid as error:
        flash_error(error)
        return redirect(url_for("settings.site", slug=slug), 303)
    if made:
        return _site_page(slug, made=made)
    flash("Saved.", "good")
    return redirect(url_for("settings.site", slug=slug), 303)


@bp.get("/people")
@admins_only
def people() -> Any:
    return _people_page()


@bp.post("/people")
@admins_only
def add_person() -> Any:
    """Make a person; the first password is in the answer and nowhere else."""
    form = request.form
    password = secrets.token_urlsafe(12)
    try:
        access.add_person(
            runtime(),
            form.get("email", ""),
            form.get("role", ""),
            name=form.get("name", ""),
            sites=form.getlist("sites"),
            password=password,
        )
    except Invalid as error:
        return _people_page(given=form, wrong=field_errors(error)), 422
    return _people_page(made={"email": form["email"].strip().lower(), "password": password})


@bp.post("/people/<int:person_id>")
@admins_only
def change_person(person_id: int) -> Any:
    """Change a person's role, sites or access, or give a new first password."""
    form = request.form
    try:
        if form.get("do") == "reset":
            password = access.reset_password(runtime(), person_id)
            return _people_page(made={"email": form.get("email", ""), "password": password})
        access.change_person(
            runtime(),
            viewer(),
            person_id,
            role=form.get("role", ""),
            sites=form.getlist("sites"),
            disabled=bool(form.get("disabled")),
        )
        flash("Saved.", "good")
    except (Invalid, Forbidden) as error:
        flash_error(error)
    return redirect(url_for("settings.people"), 303)


@bp.get("/deliveries")
@admins_only
def deliveries() -> Any:
    """What the sites were told, and what did not arrive."""
    chosen = {name: request.args.get(name) or None for name in ("site", "status")}
    return render_template(
        "settings/deliveries.html",
        rows=delivery.listed(runtime(), limit=100, **chosen),
        chosen=chosen,
        statuses=STATUSES,
        sites=tuning.sites_with_policies(runtime(), viewer()),
    )


@bp.post("/deliveries/replay")
@admins_only
def replay() -> Any:
    """Send one delivery again, or all of a site's that did not arrive."""
    id, slug = request.form.get("id", type=int), request.form.get("site") or None
    if "id" in request.form and id is None:
        raise NotFound("there is no delivery of that number")
    due = delivery.replay(runtime(), ids=[id] if id else (), site=slug, failed=id is None)
    flash(f"{due} {'delivery is' if due == 1 else 'deliveries are'} due again.", "good")
    return redirect(url_for("settings.deliveries", site=slug), 303)


def _site_page(slug: str, made: dict[str, Any] | None = None) -> Any:
    return render_template(
        "settings/site.html",
        **sites.site_details(runtime(), slug),
        made=made,
        scopes=list(Scope),
        events=EVENT_TYPES,
        base_url=runtime().settings.base_url,
        rows=delivery.listed(runtime(), site=slug, limit=10),
    )


def _people_page(
    made: dict[str, str] | None = None, given: Any = None, wrong: dict[str, str] | None = None
) -> Any:
    return render_template(
        "settings/people.html",
        people=access.people(runtime()),
        sites=tuning.sites_with_policies(runtime(), viewer()),
        roles=list(PersonRole),
        made=made,
        given=given or {},
        wrong=wrong or {},
    )
