"""Repetition and flooding: the same text again, and too many texts at once.

Both are read from the history that comes with the comment, so a stored assessment
says what was known then, and the check needs no database and no clock.
"""

from moderation.checks.check import Result
from moderation.core.comment import Comment, Earlier, Finding
from moderation.text import content_key

FLOOD_WINDOW_S = 60.0
"""Comments within this time count as a flood."""
FLOOD = 30
"""Comments within the window that make the score 1."""


class RepetitionCheck:
    """Compares a comment with the author's last ones."""

    name = "repetition"
    version = "1"
    attributes = ("repetition", "flooding")
    cost_ms = 0.5

    def score(self, comment: Comment) -> Result:
        """Score 1 for a text that the author sent before, and how fast they send.

        A comment with nothing to read repeats nothing.
        """
        recent = sum(earlier.age_s <= FLOOD_WINDOW_S for earlier in comment.history)
        flooding = min(1.0, recent / FLOOD)
        key = content_key(comment.body)
        same = [one for one in comment.history if one.key == key] if comment.body.strip() else []
        if not same:
            return Result({"repetition": 0.0, "flooding": flooding})
        finding = self._finding(min(same, key=lambda one: one.age_s), len(comment.body))
        return Result({"repetition": 1.0, "flooding": flooding}, (finding,))

    def _finding(self, newest: Earlier, length: int) -> Finding:
        message = f"The same text from this author {_ago(newest.age_s)}"
        return Finding(
            self.name, "repetition", 1.0, 0, length, message, age_s=max(0.0, newest.age_s)
        )


def _ago(age_s: float) -> str:
    for unit, seconds in (("hour", 3600), ("minute", 60)):
        if age_s >= seconds:
            return _count(int(age_s // seconds), unit)
    return _count(max(0, int(age_s)), "second")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'} ago"
