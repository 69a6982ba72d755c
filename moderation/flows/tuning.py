"""Tuning: an admin changes a policy, after seeing what would have been decided otherwise."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.checks.words import WordsCheck
from moderation.core.comment import Comment, Context, Format, Role
from moderation.core.policy import Action, Change, Policy, PolicyError, diff, parse
from moderation.core.simulation import Moved, Past, Simulation, simulate, wilson_interval
from moderation.core.viewer import Viewer
from moderation.flows.errors import Invalid, NotFound, Stale
from moderation.flows.runtime import Runtime
from moderation.store.policies import add_version, newest, parsed
from moderation.store.sites import site_by_slug, sites_of
from moderation.store.tables import AssessmentRow, PolicyVersion, Revision, Site
from moderation.store.tables import Comment as CommentRow
from moderation.wire import dump_reason, load_assessment, reasons_with_words

SIMULATED_MOST = 5_000
"""Newest comments that a simulation looks at."""
EXAMPLES = 20
NOTE_MOST = 500
"""Characters of a version's note."""
FAULTS_MOST = 50
"""Faults of a draft that are told at once."""


def sites_with_policies(rt: Runtime, viewer: Viewer) -> list[tuple[Site, PolicyVersion]]:
    """The sites a viewer sees, by name, each with its policy in force."""
    with rt.sessions.read() as session:
        return [(site, newest(session, site.id)) for site in sites_of(session, viewer)]


def policy_of(rt: Runtime, viewer: Viewer, site: str, version: int | None = None) -> PolicyVersion:
    """A site's policy: the one in force, or an older version. Raises NotFound."""
    with rt.sessions.read() as session:
        site_id = _site(session, viewer, site).id
        return newest(session, site_id) if version is None else _version(session, site_id, version)


def versions_of(rt: Runtime, viewer: Viewer, site: str) -> list[PolicyVersion]:
    """All versions of a site's policy, newest first. Raises NotFound."""
    with rt.sessions.read() as session:
        return list(
            session.scalars(
                select(PolicyVersion)
                .where(PolicyVersion.site_id == _site(session, viewer, site).id)
                .order_by(PolicyVersion.version.desc())
            )
        )


def changes_of(rt: Runtime, viewer: Viewer, site: str, version: int) -> tuple[Change, ...]:
    """What a version changed against the one before it; nothing for the first."""
    if version == 1:
        return ()
    before = policy_of(rt, viewer, site, version - 1)
    return diff(parsed(before), parsed(policy_of(rt, viewer, site, version)))


def publish(
    rt: Runtime, viewer: Viewer, site: str, document: Any, *, seen: int, note: str = ""
) -> PolicyVersion:
    """Put a policy in force as the next version.

    seen  the version that the author of the draft started from

    Raises NotFound, Invalid (with pointers), Stale where another version is in force.
    """
    policy = read_draft(document)
    if len(note) > NOTE_MOST or "\0" in note:
        raise Invalid(("#/note", f"must be text of at most {NOTE_MOST} characters"))
    try:
        with rt.sessions.write() as session:
            site_id = _site(session, viewer, site).id
            current = newest(session, site_id).version
            if current != seen:
                raise Stale(f"version {current} is in force, not {seen}")
            return add_version(
                session, site_id, seen + 1, policy, by=viewer.actor, note=note, now=rt.now()
            )
    except IntegrityError:
        raise Stale(f"version {seen + 1} was published meanwhile") from None


def simulate_draft(rt: Runtime, viewer: Viewer, site: str, document: Any) -> dict[str, Any]:
    """What a draft would have done with the newest comments, against the policy in force.

    Writes nothing and runs no model: scores are taken as stored, only the site's own
    words are matched again. Raises NotFound, Invalid.
    """
    draft = read_draft(document)
    with rt.sessions.read() as session:
        site_id = _site(session, viewer, site).id
        row = newest(session, site_id)
        rows = _newest_assessed(session, site_id)
        on_record = session.scalar(
            select(func.count()).select_from(CommentRow).where(CommentRow.site_id == site_id)
        )
    live = parsed(row)
    bodies = {comment.external_id: revision.body for comment, revision, _ in rows}
    history = [_past(*row, live, draft) for row in rows]
    outcome = simulate(history, live, draft)
    return {
        "policy_version": row.version,
        "total": outcome.total,
        "on_record": on_record,
        "by_first_stage": sum(past.assessment.is_by_first_stage for past in history),
        "live": _by_action(outcome, side=0),
        "draft": _by_action(outcome, side=1),
        "changes": _changes(outcome),
        "examples": [_example(moved, bodies[moved.id]) for moved in outcome.moved[:EXAMPLES]],
    }


def _newest_assessed(
    session: Session, site_id: int
) -> list[tuple[CommentRow, Revision, AssessmentRow]]:
    """The newest comments that have a body, each with the last assessment of its wording."""
    last = (
        select(func.max(AssessmentRow.id))
        .where(AssessmentRow.revision_id == Revision.id)
        .correlate(Revision)
        .scalar_subquery()
    )
    found = session.execute(
        select(CommentRow, Revision, AssessmentRow)
        .join(
            Revision,
            (Revision.comment_id == CommentRow.id) & (Revision.number == CommentRow.revision),
        )
        .join(AssessmentRow, AssessmentRow.id == last)
        .where(CommentRow.site_id == site_id, Revision.body != "")
        .order_by(CommentRow.id.desc())
        .limit(SIMULATED_MOST)
    )
    return [(comment, revision, assessment) for comment, revision, assessment in found]


def _past(
    comment: CommentRow, revision: Revision, row: AssessmentRow, live: Policy, draft: Policy
) -> Past:
    assessment = load_assessment(row.document)
    context = Context(Role(revision.role), revision.section, revision.published_before)
    if live.words == draft.words:
        return Past(comment.external_id, assessment, context)
    seen = Comment(body=revision.body, format=Format(revision.format), words=draft.words)
    others = tuple(f for f in assessment.findings if f.listed is None)
    listed = WordsCheck().score(seen).findings
    return Past(
        comment.external_id, assessment, context, replace(assessment, findings=others + listed)
    )


def _by_action(outcome: Simulation, *, side: int) -> dict[str, int]:
    totals = {action.word: 0 for action in Action}
    for pair, count in outcome.counts.items():
        totals[pair[side].word] += count
    return totals


def _changes(outcome: Simulation) -> list[dict[str, Any]]:
    changes = []
    for (was, would_be), count in sorted(outcome.counts.items()):
        if was is not would_be:
            low, high = wilson_interval(count, outcome.total)
            changes.append(
                {
                    "from": was.word,
                    "to": would_be.word,
                    "count": count,
                    "share": count / outcome.total,
                    "interval": [low, high],
                }
            )
    return changes


def _example(moved: Moved, body: str) -> dict[str, Any]:
    reasons = [dump_reason(reason) for reason in (moved.draft.reasons or moved.live.reasons)]
    return {
        "id": moved.id,
        "body": body,
        "from": moved.live.action.word,
        "to": moved.draft.action.word,
        "reasons": reasons_with_words(reasons, body),
    }


def read_draft(document: Any) -> Policy:
    """A draft as a policy. Raises Invalid with everything that is wrong with it."""
    try:
        return parse(document)
    except PolicyError:
        raise Invalid(*_faults(document)) from None


def _faults(document: Any) -> list[tuple[str, str]]:
    """Every fault of a document, up to `FAULTS_MOST`.

    `parse` stops at the first; so each fault that it tells is taken out of a copy, and
    the rest is read again.
    """
    rest = deepcopy(document)
    found: list[tuple[str, str]] = []
    while len(found) < FAULTS_MOST:
        try:
            parse(rest)
            break
        except PolicyError as error:
            found.append((error.pointer, error.why))
            if not _take_out(rest, error.pointer):
                break
    return found


def _take_out(document: Any, pointer: str) -> bool:
    """Remove what a pointer names; says whether it was there.

    An item of a list is replaced, lest those behind it change their numbers: by a
    text that is good in each list of a policy, of words and of roles.
    """
    *path, last = [
        part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]
    ] or [""]
    for part in path:
        document = document[int(part) if isinstance(document, list) else part]
    if isinstance(document, list):
        document[int(last)] = Role.STAFF.value
        return True
    return isinstance(document, dict) and document.pop(last, document) is not document


def _version(session: Session, site_id: int, version: int) -> PolicyVersion:
    row = session.scalars(
        select(PolicyVersion).where(
            PolicyVersion.site_id == site_id, PolicyVersion.version == version
        )
    ).first()
    if row is None:
        raise NotFound(f"there is no policy version {version}")
    return row


def _site(session: Session, viewer: Viewer, slug: str) -> Site:
    site = site_by_slug(session, slug, viewer)
    if site is None:
        raise NotFound(f"there is no site {slug!r}")
    return site
