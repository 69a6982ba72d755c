"""Access: people, their logins, and who is behind a key.

A login is a row (`person_session`), so that logging out, a new password or disabling a
person ends it at once: a signed cookie alone would go on being good. Passwords are
kept by argon2id. Guessing is slowed by account and address together, so that a
stranger can't lock a moderator out.

An admin of some sites rules over the people of these sites only: they grant no site
that they don't see, and who has other sites besides is shown to them but not theirs
to change (a new password would be a way in there). Without a `viewer` it is the operator.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.core.viewer import OPERATOR, SCOPES_OF, PersonRole, Scope, Viewer
from moderation.flows.errors import Forbidden, Invalid, ModerationError, NotFound
from moderation.flows.runtime import Runtime
from moderation.store.people import Colleague, colleague, colleagues
from moderation.store.sites import SiteDoor, door_of, site_by_slug
from moderation.store.tables import (
    ID_MOST,
    APIKey,
    LoginFailure,
    Person,
    PersonSession,
    PersonSite,
)

EMAIL = re.compile(r"[^@\s\x00]+@[^@\s\x00]+")
PASSWORD_LEAST = 10
NO_SITE = "choose all sites, or at least one"
FAILURES_MOST = 10
FAILURE_WINDOW = timedelta(minutes=15)
SESSION_MOST = timedelta(hours=24)
SEEN_GRAIN = timedelta(minutes=1)
"""How exactly the last use of a login is kept: a write a minute, not one a request."""

hasher = PasswordHasher()
NOBODY = hasher.hash(secrets.token_urlsafe(16))
"""Checked where there is no such person, so that both answers take as long."""


class TooManyFailures(ModerationError):
    """Logins failed too often; says for how many seconds to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many failed logins; try again in {max(1, wait_s // 60)} minutes")
        self.wait_s = wait_s


class LoginFailed(ModerationError):
    """Wrong e-mail or password; never says which."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A live login."""

    viewer: Viewer
    name: str
    must_change_password: bool


def add_person(
    rt: Runtime,
    email: str,
    role: str,
    *,
    password: str,
    name: str = "",
    sites: Iterable[str] | None = None,
    must_change_password: bool = True,
    viewer: Viewer = OPERATOR,
) -> None:
    """Make a moderator or an admin.

    sites  slugs of the sites that they shall see, at least one; None is every site

    Raises Invalid.
    """
    email = email.strip().lower()
    if not EMAIL.fullmatch(email) or not email.isprintable() or len(email) > 254:
        raise Invalid(("#/email", f"{email!r} is not an e-mail address"))
    if role not in list(PersonRole):
        raise Invalid(("#/role", f"{role!r} is not one of {', '.join(PersonRole)}"))
    name = name.strip() or email.split("@")[0]
    _refuse_unprintable(name)
    _refuse_weak(password, email)
    try:
        with rt.sessions.write() as session:
            person = Person(
                email=email,
                name=name,
                role=role,
                password_hash=hasher.hash(password),
                must_change_password=must_change_password,
                created_at=rt.now(),
            )
            session.add(person)
            session.flush()
            _limit_to(session, viewer, person, sites)
    except IntegrityError:
        raise Invalid(("#/email", f"there is a person {email} already")) from None


def change_person(
    rt: Runtime, viewer: Viewer, person_id: int, *, role: str, sites: Iterable[str] | None
) -> None:
    """Change a person's role and sites (None is every site). Nobody demotes themselves.

    Raises Invalid, NotFound, Forbidden.
    """
    with rt.sessions.write() as session:
        person = _person(session, viewer, person_id)
        if role not in list(PersonRole):
            raise Invalid(("#/role", f"{role!r} is not one of {', '.join(PersonRole)}"))
        if person_id == viewer.person_id and role != PersonRole.ADMIN:
            raise Forbidden("you can't disable or demote yourself")
        person.role = role
        _limit_to(session, viewer, person, sites)


def switch_person(rt: Runtime, viewer: Viewer, person_id: int, *, on: bool) -> None:
    """Disable a person, whose logins end at once, or let them in again. Never oneself.

    Raises NotFound, Forbidden.
    """
    with rt.sessions.write() as session:
        person = _person(session, viewer, person_id)
        if person_id == viewer.person_id and not on:
            raise Forbidden("you can't disable or demote yourself")
        person.disabled_at = None if on else (person.disabled_at or rt.now())
        if not on:
            _end_sessions(session, person)


def reset_password(rt: Runtime, person_id: int, *, viewer: Viewer = OPERATOR) -> str:
    """A new one-time password for a person, who must change it; ends their logins.

    Raises NotFound, Forbidden.
    """
    password = secrets.token_urlsafe(12)
    with rt.sessions.write() as session:
        person = _person(session, viewer, person_id)
        person.password_hash = hasher.hash(password)
        person.must_change_password = True
        _end_sessions(session, person)
    return password


def people(rt: Runtime, *, viewer: Viewer = OPERATOR) -> list[Colleague]:
    """The people with a site that the viewer sees, by e-mail; an admin of all sees everyone."""
    with rt.sessions.read() as session:
        return colleagues(session, viewer)


def colleague_of(rt: Runtime, viewer: Viewer, person_id: int) -> Colleague:
    """One person whom the viewer may change. Raises NotFound, Forbidden."""
    with rt.sessions.read() as session:
        person = _person(session, viewer, person_id)
        return next(who for who in colleagues(session, viewer) if who.person.id == person.id)


def has_people(rt: Runtime) -> bool:
    with rt.sessions.read() as session:
        return session.scalar(select(Person.id).limit(1)) is not None


def login(rt: Runtime, email: str, password: str, *, address: str, agent: str) -> str:
    """Start a login; returns the token for the cookie. Raises LoginFailed, TooManyFailures."""
    email = email.strip().lower().replace("\0", "")  # nobody's has one; PostgreSQL takes none
    account = hashlib.sha256(f"{email}\n{address}".encode()).hexdigest()
    _refuse_guessing(rt, account)
    with rt.sessions.read() as session:
        person = session.scalars(select(Person).where(Person.email == email)).first()
    good = _matches(person.password_hash if person else NOBODY, password)
    if person is None or not good or person.disabled_at is not None:
        with rt.sessions.write() as session:
            session.add(LoginFailure(account=account, at=rt.now()))
        raise LoginFailed("the e-mail address or the password is wrong")
    token = secrets.token_urlsafe(32)
    with rt.sessions.write() as session:
        session.execute(delete(LoginFailure).where(LoginFailure.account == account))
        _start_session(rt, session, person.id, token, address, agent)
    return token


def logged_in(rt: Runtime, token: str) -> LoggedIn | None:
    """Who is behind a cookie's token, if the login still lives."""
    now = rt.now()
    idle = timedelta(hours=rt.settings.session_idle_h)
    with rt.sessions.read() as session:
        found = session.execute(
            select(PersonSession, Person)
            .join(Person, Person.id == PersonSession.person_id)
            .where(PersonSession.token_hash == _hash(token), Person.disabled_at.is_(None))
        ).first()
        if found is None:
            return None
        login_row, person = found
        if now - login_row.seen_at > idle or now - login_row.created_at > SESSION_MOST:
            return None
        viewer = _viewer(session, person)
    if now - login_row.seen_at > SEEN_GRAIN:
        with rt.sessions.write() as session:
            session.execute(
                update(PersonSession)
                .where(PersonSession.token_hash == login_row.token_hash)
                .values(seen_at=now)
            )
    return LoggedIn(viewer, person.name, person.must_change_password)


def logout(rt: Runtime, token: str) -> None:
    with rt.sessions.write() as session:
        session.execute(delete(PersonSession).where(PersonSession.token_hash == _hash(token)))


def change_password(
    rt: Runtime, viewer: Viewer, old: str, new: str, *, address: str, agent: str
) -> str:
    """Set a new password; every login ends but a new one, whose token is returned.

    Raises Invalid.
    """
    assert viewer.person_id is not None
    with rt.sessions.read() as session:
        person = session.get_one(Person, viewer.person_id)
    if not _matches(person.password_hash, old):
        raise Invalid(("#/old", "is not your present password"))
    if new == old:
        raise Invalid(("#/new", "must differ from the present password"))
    _refuse_weak(new, person.email)
    token = secrets.token_urlsafe(32)
    with rt.sessions.write() as session:
        person = session.get_one(Person, viewer.person_id)
        person.password_hash = hasher.hash(new)
        person.must_change_password = False
        _end_sessions(session, person)
        _start_session(rt, session, person.id, token, address, agent)
    return token


def set_timezone(rt: Runtime, viewer: Viewer, name: str) -> None:
    """Set in which zone a person reads times. Raises Invalid."""
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise Invalid(("#/timezone", f"{name!r} is not a time zone such as Europe/Kyiv")) from None
    with rt.sessions.write() as session:
        session.get_one(Person, viewer.person_id).timezone = name


def viewer_of_key(rt: Runtime, key: str) -> Viewer | None:
    """Who is behind a bearer token: a site's key, or a person's."""
    with rt.sessions.read() as session:
        row = session.scalars(
            select(APIKey).where(APIKey.key_hash == _hash(key), APIKey.revoked_at.is_(None))
        ).first()
        if row is None:
            return None
        scopes = frozenset(Scope(scope) for scope in row.scopes)
        if row.person_id is None:
            assert row.site_id is not None
            return Viewer(f"key {row.prefix}…", scopes, frozenset({row.site_id}))
        person = session.get_one(Person, row.person_id)
        if person.disabled_at is not None:
            return None
        viewer = _viewer(session, person)
        return replace(viewer, scopes=viewer.scopes & scopes)


def add_person_key(rt: Runtime, viewer: Viewer, name: str) -> str:
    """A bearer token for a person, with all that they may do; shown once. Raises Invalid."""
    if not (name := name.strip()):
        raise Invalid(("#/name", "must not be empty"))
    _refuse_unprintable(name)
    key = f"cdp_{secrets.token_urlsafe(32)}"
    with rt.sessions.write() as session:
        session.add(
            APIKey(
                key_hash=_hash(key),
                prefix=key[:12],
                name=name,
                person_id=viewer.person_id,
                scopes=sorted(viewer.scopes),
                created_at=rt.now(),
            )
        )
    return key


def keys_of(rt: Runtime, viewer: Viewer) -> list[APIKey]:
    with rt.sessions.read() as session:
        return list(
            session.scalars(
                select(APIKey).where(APIKey.person_id == viewer.person_id).order_by(APIKey.id)
            )
        )


def revoke_own_key(rt: Runtime, viewer: Viewer, key_id: int) -> None:
    """Raises NotFound."""
    with rt.sessions.write() as session:
        key = session.get(APIKey, key_id)
        if key is None or key.person_id != viewer.person_id:
            raise NotFound(f"there is no key {key_id}")
        key.revoked_at = key.revoked_at or rt.now()


def site_door(rt: Runtime, slug: str) -> SiteDoor | None:
    """A site's secrets in force, or None where there is no such site."""
    now = rt.now()
    with rt.sessions.reading() as database:
        return door_of(database, slug, now)


def _viewer(session: Session, person: Person) -> Viewer:
    role = PersonRole(person.role)
    limits = frozenset(
        session.scalars(select(PersonSite.site_id).where(PersonSite.person_id == person.id))
    )
    return Viewer(
        actor=person.email,
        scopes=SCOPES_OF[role],
        site_ids=limits or None,
        is_admin=role is PersonRole.ADMIN,
        person_id=person.id,
        timezone=person.timezone,
    )


def _refuse_guessing(rt: Runtime, account: str) -> None:
    since = rt.now() - FAILURE_WINDOW
    with rt.sessions.read() as session:
        count, first = session.execute(
            select(func.count(), func.min(LoginFailure.at)).where(
                LoginFailure.account == account, LoginFailure.at > since
            )
        ).one()
    if count >= FAILURES_MOST:
        raise TooManyFailures(int((first - since).total_seconds()) + 1)


def _refuse_unprintable(name: str) -> None:
    if not name.isprintable() or len(name) > 200:
        raise Invalid(("#/name", "must be one line of at most 200 printable characters"))


def _refuse_weak(password: str, email: str) -> None:
    if len(password) < PASSWORD_LEAST:
        raise Invalid(("#/password", f"must have at least {PASSWORD_LEAST} characters"))
    if len(password) > 1000:
        raise Invalid(("#/password", "must have at most 1000 characters"))
    if password.lower() in (email, email.split("@")[0]) or len(set(password)) < 4:
        raise Invalid(("#/password", "is too easy to guess"))


def _matches(password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _limit_to(
    session: Session, viewer: Viewer, person: Person, slugs: Iterable[str] | None
) -> None:
    """Give a person these sites; None is every site, which only who has them all can give.

    None chosen is refused, as it would be kept as no limit.
    """
    chosen = None if slugs is None else sorted(set(slugs))
    if chosen is None and viewer.site_ids is not None:
        raise Invalid(("#/sites", "only an admin of all sites can give all sites"))
    if chosen == []:
        raise Invalid(("#/sites", NO_SITE))
    session.execute(delete(PersonSite).where(PersonSite.person_id == person.id))
    for slug in chosen or ():
        site = site_by_slug(session, slug, viewer)
        if site is None:
            raise Invalid(("#/sites", f"there is no site {slug!r}"))
        session.add(PersonSite(person_id=person.id, site_id=site.id))


def _person(session: Session, viewer: Viewer, person_id: int) -> Person:
    """A person whom the viewer may change: NotFound of other sites, Forbidden of more sites."""
    person = session.get(Person, person_id) if 0 < person_id <= ID_MOST else None
    seen = colleague(session, viewer, person) if person else None
    if person is None or seen is None:
        raise NotFound(f"there is no person {person_id}")
    if not seen.changeable:
        raise Forbidden(f"{person.email} has other sites too; ask an admin who has them all")
    return person


def _start_session(
    rt: Runtime, session: Session, person_id: int, token: str, address: str, agent: str
) -> None:
    now = rt.now()
    session.add(
        PersonSession(
            token_hash=_hash(token),
            person_id=person_id,
            created_at=now,
            seen_at=now,
            address=address,
            agent=agent[:200],
        )
    )


def _end_sessions(session: Session, person: Person) -> None:
    session.execute(delete(PersonSession).where(PersonSession.person_id == person.id))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
