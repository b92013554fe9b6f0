import pytest

from stream_kit import Feeder, Runner, Stream


@pytest.fixture
def make_stream():
    made = []

    def make(**settings):
        made.append(Stream(**settings))
        return made[-1]

    yield make
    for s in made:
        s.close()


@pytest.fixture
def stream(make_stream):
    return make_stream()


@pytest.fixture
def make_feeder(stream):
    made = []

    def make(database=None, **how):
        made.append(Feeder(how.pop("stream", stream), database, **how))
        return made[-1]

    yield make
    for f in made:
        f.close()


@pytest.fixture
def feeder(make_feeder):
    return make_feeder()


@pytest.fixture
def make_runner(stream):
    made = []

    def make(serve):
        made.append(Runner(stream, serve))
        return made[-1]

    yield make
    for r in made:
        r.close()
