"""The settings of a site's policy: change it, see what would change, publish, bring back."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from moderation.checks.check import Check
from moderation.core.comment import ATTRIBUTES, Role
from moderation.core.policy import PolicyError, diff, parse
from moderation.desk.policyform import field_of, section_numbers, to_document, to_fields
from moderation.edge import admins_only, runtime, viewer
from moderation.flows import tuning
from moderation.flows.errors import Stale
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
    bp.add_url_rule(f"{start}/versions/<int:number>", view_func=version)
    bp.add_url_rule(f"{start}/versions/<int:number>/restore", view_func=restore, methods=["POST"])


@admins_only
def policy(site: str) -> Any:
    """The policy in force as a form; or a draft: tried out, or published."""
    row = tuning.policy_of(runtime(), viewer(), site)
    if request.method == "GET":
        return _form(site, to_fields(row.document), seen=row.version, current=row)
    fields = {name: value for name, value in request.form.items() if name != "csrf_token"}
    document = to_document(fields)
    seen = int(fields.get("seen", "0")) if fields.get("seen", "").isdecimal() else 0
    try:
        draft = parse(document)
    except PolicyError as error:
        wrong = {field_of(error.pointer, fields): error.why}
        return _form(site, fields, seen=seen, current=row, wrong=wrong, status=422)
    outcome = tuning.simulate_draft(runtime(), viewer(), site, document)
    shown: dict[str, Any] = {"seen": seen, "current": row, "outcome": outcome}
    if request.form.get("do") != "publish":
        return _form(site, fields, **shown, changes=diff(parsed(row), draft))
    if draft == parsed(row):
        flash("Nothing is different from the policy in force; no version was made.")
        return _form(site, fields, **shown)
    if _is_drastic(outcome) and not request.form.get("confirmed"):
        return _form(site, fields, **shown, confirm=True, status=422)
    try:
        made = tuning.publish(
            runtime(), viewer(), site, document, seen=seen, note=fields.get("note", "").strip()
        )
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
    row = tuning.policy_of(runtime(), viewer(), site, number)
    current = tuning.policy_of(runtime(), viewer(), site)
    return render_template(
        "settings/version.html",
        site=site,
        row=row,
        current=current,
        changes=tuning.changes_of(runtime(), viewer(), site, number),
        since=diff(parsed(row), parsed(current)),
    )


@admins_only
def restore(site: str, number: int) -> Any:
    """Bring an older version back, as a new one."""
    row = tuning.policy_of(runtime(), viewer(), site, number)
    seen = request.form.get("seen", "")
    made = tuning.publish(
        runtime(),
        viewer(),
        site,
        row.document,
        seen=int(seen) if seen.isdecimal() else 0,
        note=request.form.get("note", "").strip() or f"Brings back version {number}",
    )
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
    page = render_template(
        "settings/policy.html",
        site=site,
        fields=fields,
        sections=numbers,
        attributes=[(name, MEANINGS[name]) for name in ATTRIBUTES],
        scored=scored_attributes(runtime().checks),
        roles=list(Role),
        wrong=shown.pop("wrong", {}),
        **shown,
    )
    return page, status
