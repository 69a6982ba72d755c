"""What a journey can refuse. `edge` turns each into a problem, the desk into a message.

ModerationError
├── NotFound            no such site, comment, decision or version (or not yours to see)
├── Conflict            the world has moved on
│   ├── WebhookReused   the same webhook-id with another body
│   ├── Removed         the comment was taken back by its author
│   ├── StaleRevision   the comment was edited since
│   ├── NotYourClaim    another moderator holds it, or your lease ran out
│   └── NotCurrent      the decision is no longer the newest
├── Stale               someone else published a policy meanwhile
├── Invalid             a value breaks a rule; carries pointers
└── Forbidden           known, but not allowed
"""


class ModerationError(Exception):
    """A journey's refusal, with a sentence for the person who asked."""


class NotFound(ModerationError):
    pass


class Conflict(ModerationError):
    pass


class WebhookReused(Conflict):
    pass


class Removed(Conflict):
    pass


class StaleRevision(Conflict):
    pass


class NotYourClaim(Conflict):
    pass


class NotCurrent(Conflict):
    pass


class Stale(ModerationError):
    pass


class Overloaded(ModerationError):
    """More has come than was decided for so long that no more is taken."""


class Forbidden(ModerationError):
    pass


class Invalid(ModerationError):
    """Values that break rules: `errors` are (JSON pointer, sentence) pairs."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{pointer}: {why}" for pointer, why in errors))
        self.errors = errors
