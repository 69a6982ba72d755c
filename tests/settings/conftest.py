"""Admins before the settings: the desk's browser, on the desk's people."""

import pytest

from tests.desk.conftest import browse as browse
from tests.desk.conftest import database_url as database_url
from tests.desk.conftest import held as held
from tests.desk.conftest import other_site as other_site
from tests.desk.conftest import people as people


@pytest.fixture
def chief(browse):
    return browse("chief")
