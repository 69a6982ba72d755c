"""Copydesk: comment moderation that newsrooms run themselves.

Most Pythons bring an SQLite with the WAL-reset bug, which can lose committed writes
(3.7.0 to 3.51.2, https://sqlite.org/wal.html#walresetbug). Where pysqlite3 is
installed, its newer SQLite takes the place of the standard library's before anything
imports that; where it is not, `store.database` keeps away from WAL.
"""

import sys

try:
    import pysqlite3
    import pysqlite3.dbapi2
except ImportError:  # no wheel for this platform
    pass
else:
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2
