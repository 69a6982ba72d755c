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
        people=access.people(rt, viewer=viewer()),
        may_add=viewer().site_ids is None,
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
            viewer=viewer(),
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
    form, rt, me = request.form, runtime(), viewer()
    made: dict[str, Any] = {}
    try:
        match form.get("do"):
            case "rename":
                name, bearer = form.get("name", ""), bool(form.get("allow_bearer"))
                sites.change_site(rt, slug, name=name, allow_bearer=bearer, viewer=me)
            case "rotate":
                made = {"webhook_secret": sites.rotate_secret(rt, slug, viewer=me)}
            case "add_key":
                name, scopes = form.get("name", ""), form.getlist("scopes")
                made = {"api_key": sites.add_key(rt, slug, name, scopes, viewer=me)}
            case "revoke_key":
                sites.revoke_key(rt, slug, form.get("id", 0, type=int), viewer=me)
            case "add_endpoint":
                url, events = form.get("url", ""), form.getlist("events")
                added = sites.add_endpoint(rt, slug, url, events, viewer=me)
                made = {"endpoint": added["url"], "endpoint_secret": added["secret"]}
            case "endpoint_on" | "endpoint_off" as switch:
                id = form.get("id", 0, type=int)
                sites.switch_endpoint(rt, slug, id, on=switch == "endpoint_on", viewer=me)
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
            sites=_reach(),
            password=password,
            viewer=viewer(),
        )
    except Invalid as error:
        return _people_page(given=form, wrong=field_errors(error)), 422
    return _people_page(made={"email": form["email"].strip().lower(), "password": password})


@bp.post("/people/<int:person_id>")
@admins_only
def change_person(person_id: int) -> Any:
    """Change a person's role and sites, shut them out or in, or give a new first password."""
    form, rt, me = request.form, runtime(), viewer()
    try:
        if form.get("do") == "reset":
            password = access.reset_password(rt, person_id, viewer=me)
            return _people_page(made={"email": form.get("email", ""), "password": password})
        if form.get("disabled") or form.get("do") == "enable":
            access.switch_person(rt, me, person_id, on=not form.get("disabled"))
        else:
            access.change_person(rt, me, person_id, role=form.get("role", ""), sites=_reach())
        flash("Saved.", "good")
    except (Invalid, Forbidden) as error:
        flash_error(error)
    return redirect(url_for("settings.people"), 303)


@bp.get("/deliveries")
@admins_only
def deliveries() -> Any:
    """What the sites were told, and what did not arrive."""
    chosen = {name: request.args.get(name) or None for name in ("site", "status")}
    rows = delivery.listed(
        runtime(), site=chosen["site"], status=chosen["status"], limit=100, viewer=viewer()
    )
    return render_template(
        "settings/deliveries.html",
        rows=rows,
        chosen=chosen,
        statuses=delivery.STATUSES,
        sites=tuning.sites_with_policies(runtime(), viewer()),
    )


@bp.post("/deliveries/replay")
@admins_only
def replay() -> Any:
    """Send one delivery again, or all of a site's that did not arrive."""
    id, slug = request.form.get("id", type=int), request.form.get("site") or None
    if "id" in request.form and id is None:
        raise NotFound("there is no delivery of that number")
    ids = () if id is None else (id,)
    due = delivery.replay(runtime(), ids=ids, site=slug, failed=id is None, viewer=viewer())
    flash(f"{due} {'delivery is' if due == 1 else 'deliveries are'} due again.", "good")
    return redirect(url_for("settings.deliveries", site=slug), 303)


def _site_page(slug: str, made: dict[str, Any] | None = None) -> Any:
    return render_template(
        "settings/site.html",
        **sites.site_details(runtime(), slug, viewer=viewer()),
        made=made,
        scopes=list(Scope),
        events=EVENT_TYPES,
        base_url=runtime().settings.base_url,
        rows=delivery.listed(runtime(), site=slug, limit=10, viewer=viewer()),
    )


def _reach() -> list[str] | None:
    """The sites that a person's form gives: None for all, which it must say in so many words."""
    return None if request.form.get("reach") == "all" else request.form.getlist("sites")


def _people_page(
    made: dict[str, str] | None = None, given: Any = None, wrong: dict[str, str] | None = None
) -> Any:
    return render_template(
        "settings/people.html",
        people=access.people(runtime(), viewer=viewer()),
        everywhere=viewer().site_ids is None,
        sites=tuning.sites_with_policies(runtime(), viewer()),
        roles=list(PersonRole),
        made=made,
        given=given or {},
        wrong=wrong or {},
    )
