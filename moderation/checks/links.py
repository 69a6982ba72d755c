"""Links: how many different ones a comment carries, shown or hidden behind a text.

The score is n / (n + 1): one link is 0.5, two are 0.67, nine are 0.9, so a
threshold reads as a number of links. E-mail addresses are not links.
"""

import re
from collections.abc import Iterator
from importlib.metadata import version

from linkify_it import LinkifyIt
from tldextract import TLDExtract

from moderation import text
from moderation.checks.check import Result
from moderation.core.comment import Comment, Finding, Format

MOST_FINDINGS = 100
"""Links that are told one by one; all are counted."""


class LinksCheck:
    """Counts the different links of a comment."""

    name = "links"
    attributes = ("links",)
    cost_ms = 1.0

    def __init__(self) -> None:
        self._linkify = LinkifyIt(options={"fuzzy_email": True})
        # The list of suffixes comes with the package: a check reaches no network.
        self._domain = TLDExtract(suffix_list_urls=(), cache_dir=None)
        self.version = f"linkify-it-py@{version('linkify-it-py')}"

    def score(self, comment: Comment) -> Result:
        """Score n / (n + 1) for n different links, with a finding at the first of each."""
        first: dict[str, tuple[int, int]] = {}
        for url, start, end in self._links(comment):
            first.setdefault(_normal(url), (start, end))
        findings = tuple(
            Finding(self.name, "links", 1.0, start, end, self._message(url))
            for url, (start, end) in list(first.items())[:MOST_FINDINGS]
        )
        return Result({"links": len(first) / (len(first) + 1)}, findings)

    def _links(self, comment: Comment) -> Iterator[tuple[str, int, int]]:
        # In Markdown the target stands in the body, but not in what is shown.
        hidden = comment.format is Format.MARKDOWN
        reading = text.read(comment.body, Format.TEXT if hidden else comment.format)
        for match in self._linkify.match(_LONGEST.sub(_cut, reading.text)) or ():
            if match.schema != "mailto:" and (match.schema or self._is_site(match.text)):
                yield match.url, *reading.span(match.index, match.last_index)
        if comment.format is Format.HTML:
            for url, start, end in text.targets(comment.body):
                if url.lower().startswith(("http:", "https:", "//")):
                    yield url, start, end

    def _is_site(self, bare: str) -> bool:
        """A bare name is a link below a suffix that exists; `done.So` misses a space."""
        host = bare.partition("/")[0]
        next_sentence = host.rpartition(".")[2].istitle()
        return not next_sentence and bool(self._domain.extract_str(bare).suffix)

    def _message(self, url: str) -> str:
        domain = self._domain.extract_str(url).top_domain_under_public_suffix
        return f"Links to {domain}" if domain else "Links to an address"


# The linkifier is quadratic in the length of a word; browsers give up on longer links.
_LONGEST = re.compile(r"\S{2048}")


def _cut(word: re.Match[str]) -> str:
    return word[0][:-1] + " "


def _normal(url: str) -> str:
    """Give the form in which two spellings of the same link are equal."""
    bare = url.split("://", 1)[-1].lstrip("/").removeprefix("www.").rstrip("/")
    host, slash, path = bare.partition("/")
    return host.lower() + slash + path
