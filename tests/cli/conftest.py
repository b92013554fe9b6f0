"""Fixtures of the command line's tests."""
import pytest

from lodge_cli import Cli


@pytest.fixture
def make_follow():
    made = []

    def make(cli, *args):
        made.append(cli.follow(*args))
        return made[-1]

    yield make
    for f in made:
        f.stop()


@pytest.fixture
def cli(fake_system):
    return Cli(fake_system)
