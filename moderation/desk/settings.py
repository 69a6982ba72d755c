"""The admins' pages: sites, people, deliveries. Policies are in `policies`."""

import secrets
from typing import Any

from flask import flash, redirect, render_template, request, url_for

from moderation.core.viewer import PersonRole, Scope
from moderation.desk import policies
from moderation.desk.pages import (
    confirm_page,
    field_errors,
    flash_error,
    pages,
    whole,
)
from moderation.edge import admins_only, runtime, viewer
from moderation.flows import access, delivery_log, review, sites, tuning
from moderation.flows.errors import Forbidden, Invalid, NotFound
from moderation.store.tables import NUMBER_MOST
from moderation.wire import EVENT_TYPES

bp = pages("settings", "/settings")
policies.register(bp)

PAGE = 100
"""Deliveries a page."""


@bp.get("")
@bp.get("/sites")
@admins_only
def overview() -> Any:
    """Sites, people, and what judges the comments."""
    return _overview_page()


def _overview_page(given: Any = None, wrong: dict[str, str] | None = None) -> Any:
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
        given=given or {},
        wrong=wrong or {},
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
        return _overview_page(form, field_errors(error)), 422
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
        return _site_page(slug, given=form, wrong=field_errors(error)), 422
    if made:
        return _site_page(slug, made=made)
    flash("Saved.", "good")
    return redirect(url_for("settings.site", slug=slug), 303)


@bp.get("/sites/<slug>/keys/<row:id>/revoke")
@admins_only
def confirm_revoking(slug: str, id: int) -> Any:
    """Ask before a key of a site is ended."""
    keys = sites.site_details(runtime(), slug, viewer=viewer())["keys"]
    key = next((key for key in keys if key.id == id and not key.revoked_at), None)
    if key is None:
        raise NotFound(f"there is no key {id} to revoke")
    return confirm_page(
        f"Revoke the key “{key.name}”?",
        "Whatever uses it is refused at once. It can't be brought back; a new key can be made.",
        button="Revoke the key",
        to=url_for("settings.change_site", slug=slug),
        back=url_for("settings.site", slug=slug),
        fields={"do": "revoke_key", "id": id},
    )


@bp.get("/sites/<slug>/endpoints/<row:id>/disable")
@admins_only
def confirm_disabling(slug: str, id: int) -> Any:
    """Ask before a site hears no more of anything at an address."""
    endpoints = sites.site_details(runtime(), slug, viewer=viewer())["endpoints"]
    endpoint = next((e for e in endpoints if e.id == id and not e.disabled_at), None)
    if endpoint is None:
        raise NotFound(f"there is no endpoint {id} to disable")
    return confirm_page(
        f"Send nothing more to {endpoint.url}?",
        "What it is owed is kept, and sent once it is enabled again.",
        button="Disable the endpoint",
        to=url_for("settings.change_site", slug=slug),
        back=url_for("settings.site", slug=slug),
        fields={"do": "endpoint_off", "id": id},
    )


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


@bp.get("/people/<row:person_id>")
@admins_only
def person(person_id: int) -> Any:
    """The people, with one of them before one's eyes."""
    access.colleague_of(runtime(), viewer(), person_id)
    return _people_page(opened=person_id)


@bp.get("/people/<row:person_id>/disable")
@admins_only
def confirm_shutting_out(person_id: int) -> Any:
    """Ask before a person is shut out."""
    who = access.colleague_of(runtime(), viewer(), person_id)
    return confirm_page(
        f"Disable {who.person.name}?",
        f"{who.person.email} can't log in any more, is logged out at once, and what they "
        "have not saved is lost. Their decisions stay on record.",
        button="Disable the person",
        to=url_for("settings.change_person", person_id=person_id),
        back=url_for("settings.people"),
        fields={"disabled": "on"},
    )


@bp.get("/people/<row:person_id>/reset")
@admins_only
def confirm_reset(person_id: int) -> Any:
    """Ask before a person's password is worth nothing any more."""
    who = access.colleague_of(runtime(), viewer(), person_id)
    return confirm_page(
        f"Give {who.person.name} a new first password?",
        f"The present password of {who.person.email} is worth nothing from then on, and they "
        "are logged out at once.",
        button="Give a new first password",
        to=url_for("settings.change_person", person_id=person_id),
        back=url_for("settings.people"),
        fields={"do": "reset", "email": who.person.email},
    )


@bp.post("/people/<row:person_id>")
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
    except Invalid as error:
        wrong = field_errors(error)
        return _people_page(changed=form, wrong=wrong, opened=person_id), 422
    except Forbidden as error:
        flash_error(error)
    return redirect(url_for("settings.people"), 303)


@bp.get("/deliveries")
@admins_only
def deliveries() -> Any:
    """What the sites were told, and what did not arrive."""
    chosen = {name: request.args.get(name) or None for name in ("site", "status")}
    before = request.args.get("before")
    place = whole(before, NUMBER_MOST) if before else None
    if before and place is None:
        raise NotFound("there is no such page of deliveries")
    rows = delivery_log.listed(
        runtime(),
        site=chosen["site"],
        status=chosen["status"],
        before=place,
        limit=PAGE + 1,
        viewer=viewer(),
    )
    return render_template(
        "settings/deliveries.html",
        rows=rows[:PAGE],
        older=rows[PAGE - 1].id if len(rows) > PAGE else None,
        paged=place is not None,
        chosen=chosen,
        statuses=delivery_log.STATUSES,
        keep_days=runtime().settings.keep_logs_days,
        sites=tuning.sites_with_policies(runtime(), viewer()),
    )


@bp.get("/deliveries/<int:id>")
@admins_only
def delivery(id: int) -> Any:
    """One event, as it was or will be sent."""
    return render_template(
        "settings/delivery.html", d=delivery_log.shown(runtime(), id, viewer=viewer())
    )


@bp.post("/deliveries/replay")
@admins_only
def replay() -> Any:
    """Send one delivery again, or all of a site's that did not arrive."""
    id, slug = whole(request.form.get("id", ""), NUMBER_MOST), request.form.get("site") or None
    if "id" in request.form and id is None:
        raise NotFound("there is no delivery of that number")
    ids = () if id is None else (id,)
    due = delivery_log.replay(runtime(), ids=ids, site=slug, failed=id is None, viewer=viewer())
    flash(f"{due} {'delivery is' if due == 1 else 'deliveries are'} due again.", "good")
    return redirect(url_for("settings.deliveries", site=slug), 303)


def _site_page(
    slug: str,
    made: dict[str, Any] | None = None,
    given: Any = None,
    wrong: dict[str, str] | None = None,
) -> Any:
    """A site's page.

    made   secrets that are shown this once
    given  a refused form, to be shown again with what is `wrong` beside its fields
    """
    return render_template(
        "settings/site.html",
        **sites.site_details(runtime(), slug, viewer=viewer()),
        made=made,
        given=given or {},
        wrong=wrong or {},
        scopes=list(Scope),
        events=EVENT_TYPES,
        base_url=runtime().settings.base_url,
        rows=delivery_log.listed(runtime(), site=slug, limit=10, viewer=viewer()),
    )


def _reach() -> list[str] | None:
    """The sites that a person's form gives: None for all, which it must say in so many words."""
    return None if request.form.get("reach") == "all" else request.form.getlist("sites")


def _people_page(
    made: dict[str, str] | None = None,
    given: Any = None,
    wrong: dict[str, str] | None = None,
    *,
    changed: Any = None,
    opened: int | None = None,
) -> Any:
    """The people.

    made     whose first password is shown this once
    given    the refused form of a new person, `changed` that of the person `opened`
    """
    return render_template(
        "settings/people.html",
        people=access.people(runtime(), viewer=viewer()),
        everywhere=viewer().site_ids is None,
        sites=tuning.sites_with_policies(runtime(), viewer()),
        roles=list(PersonRole),
        made=made,
        given=given or {},
        changed=changed,
        opened=opened,
        wrong=wrong or {},
    )
