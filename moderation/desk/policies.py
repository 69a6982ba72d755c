"""The settings of a site's policy: change it, see what would change, publish, bring back."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from moderation.checks.check import Check
from moderation.core.comment import ATTRIBUTES, Role
from moderation.core.policy import diff
from moderation.desk.pages import field_errors, whole
from moderation.desk.policyform import (
    faults_by_field,
    same_names,
    section_numbers,
    to_document,
    to_fields,
)
from moderation.edge import admins_only, runtime, viewer
from moderation.flows import tuning
from moderation.flows.errors import Invalid, Stale
from moderation.store.policies import parsed

DRASTIC_SHARE, DRASTIC_LEAST = 0.25, 20
"""A change that moves more than this share of at least so many comments is confirmed."""

MEANINGS = {
    "toxicity": "Rude or disrespectful; likely to make people leave",
    "severe_toxicity": "Very hateful or aggressive",
    "obscene": "Obscene language",
    "threat": "Wishes or announces harm to someone",
    "insult": "Insults someone",
    "identity_attack": "Attacks people for what they are",
    "sexual_explicit": "Explicit sexual language",
    "profanity": "The strongest swear word found",
    "spam": "Unwanted advertising",
    "links": "Links: 1 is 0.50, 2 are 0.67, 3 are 0.75",
    "repetition": "The author wrote the same within the last hour",
    "flooding": "The author's comments of the last minute, 30 being 1",
}


def register(bp: Blueprint) -> None:
    """Hang the pages of policies on the settings."""
    start = "/sites/<site>/policy"
    bp.add_url_rule(start, view_func=policy, methods=["GET", "POST"])
    bp.add_url_rule(f"{start}/versions", view_func=versions)
    bp.add_url_rule(f"{start}/versions/<row:number>", view_func=version)
    bp.add_url_rule(f"{start}/versions/<row:number>/restore", view_func=restore, methods=["POST"])


@admins_only
def policy(site: str) -> Any:
    """The policy in force as a form; or a draft: tried out, or published."""
    row = tuning.policy_of(runtime(), viewer(), site)
    if request.method == "GET":
        return _form(site, to_fields(row.document), seen=row.version, current=row)
    fields = {name: value for name, value in request.form.items() if name != "csrf_token"}
    document = to_document(fields)
    seen = whole(fields.get("seen", "")) or 0
    doubled = same_names(fields)
    try:
        draft = tuning.read_draft(document)
    except Invalid as error:
        wrong = faults_by_field(error.errors, fields) | doubled
        return _form(site, fields, seen=seen, current=row, wrong=wrong, status=422)
    if doubled:
        return _form(site, fields, seen=seen, current=row, wrong=doubled, status=422)
    outcome = tuning.simulate_draft(runtime(), viewer(), site, document)
    shown: dict[str, Any] = {"seen": seen, "current": row, "outcome": outcome}
    if request.form.get("do") != "publish":
        return _form(site, fields, **shown, changes=diff(parsed(row), draft))
    if draft == parsed(row) or document == to_document(to_fields(row.document)):
        flash("Nothing was changed. Nothing is different from the policy in force.")
        return _form(site, fields, **shown)
    if _is_drastic(outcome) and not request.form.get("confirmed"):
        return _form(site, fields, **shown, confirm=True, status=422)
    try:
        made = tuning.publish(
            runtime(), viewer(), site, document, seen=seen, note=fields.get("note", "").strip()
        )
    except Invalid as error:
        wrong = faults_by_field(error.errors, fields)
        return _form(site, fields, **shown, wrong=wrong, status=422)
    except Stale:
        changes = diff(parsed(row), draft)
        return _form(site, fields, **shown, changes=changes, overtaken=True, status=412)
    flash(f"Version {made.version} is in force: it decides the next comment.", "good")
    return redirect(url_for("settings.version", site=site, number=made.version), 303)


@admins_only
def versions(site: str) -> Any:
    """Every version, newest first."""
    rows = tuning.versions_of(runtime(), viewer(), site)
    return render_template("settings/versions.html", site=site, rows=rows)


@admins_only
def version(site: str, number: int) -> Any:
    """One version: what it changed, and how it differs from the one in force."""
    return _version_page(site, number)


def _version_page(site: str, number: int, wrong: dict[str, str] | None = None) -> Any:
    row = tuning.policy_of(runtime(), viewer(), site, number)
    current = tuning.policy_of(runtime(), viewer(), site)
    return render_template(
        "settings/version.html",
        site=site,
        row=row,
        current=current,
        changes=tuning.changes_of(runtime(), viewer(), site, number),
        since=diff(parsed(row), parsed(current)),
        note=request.form.get("note", ""),
        wrong=wrong or {},
    )


@admins_only
def restore(site: str, number: int) -> Any:
    """Bring an older version back, as a new one."""
    row = tuning.policy_of(runtime(), viewer(), site, number)
    note = request.form.get("note", "").strip() or f"Brings back version {number}"
    seen = whole(request.form.get("seen", "")) or 0
    try:
        made = tuning.publish(runtime(), viewer(), site, row.document, seen=seen, note=note)
    except Invalid as error:
        return _version_page(site, number, field_errors(error)), 422
    flash(f"Version {number} is back in force, as version {made.version}.", "good")
    return redirect(url_for("settings.version", site=site, number=made.version), 303)


def scored_attributes(checks: tuple[Check, ...]) -> set[str]:
    """What the checks in force give a score for."""
    return {name for check in checks for name in check.attributes}


def _is_drastic(outcome: dict[str, Any]) -> bool:
    moved = sum(change["count"] for change in outcome["changes"])
    total: int = outcome["total"]
    return total >= DRASTIC_LEAST and moved > DRASTIC_SHARE * total


def _form(site: str, fields: dict[str, str], *, status: int = 200, **shown: Any) -> Any:
    numbers = section_numbers(fields)
    if request.form.get("do") == "add_section" or not numbers:
        numbers = [*numbers, max(numbers, default=-1) + 1]
    wrong: dict[str, str] = shown.pop("wrong", {})
    page = render_template(
        "settings/policy.html",
        site=site,
        fields=fields,
        sections=numbers,
        attributes=[(name, MEANINGS[name]) for name in ATTRIBUTES],
        scored=scored_attributes(runtime().checks),
        roles=list(Role),
        wrong=wrong,
        first=next(iter(wrong), None),
        **shown,
    )
    return page, status
