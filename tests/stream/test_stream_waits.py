"""Parked waits: done, until, already done, many, and what a restart does to them."""
import time

from stream_kit import until


def rendered(c, context=None):
    status, headers, body = c.response()
    assert (status, headers["x-accel-redirect"], body) == (200, "@render", b"")
    if context:
        assert headers["x-lodge-context"] == context
    return True


def test_done_ends_the_wait_and_hands_the_context_back(stream, feeder):
    context = stream.sign(k="wait", op="op1", until=int((time.time() + 60) * 1000), view="instance", id="i1")
    a, b, other = stream.request(context), stream.wait("op1"), stream.wait("op2")
    until(lambda: stream.health()["waits"] == 3)
    feeder.emit(op="op1", done=False)
    feeder.emit(op="op1", done=True, tenant="t2", kind="operation.done")
    assert rendered(a, context) and rendered(b)
    assert stream.health()["waits"] == 1
    feeder.emit(op="op2", done=True)
    assert rendered(other)


def test_until_ends_it_without_a_feeder(stream):
    assert rendered(stream.wait("op1", seconds=0.3))
    assert rendered(stream.wait("op1", seconds=-5))
    assert stream.health()["waits"] == 0


def test_already_done_when_it_parks(stream, feeder):
    feeder.emit(op="op1", done=True)
    assert rendered(stream.wait("op1"))
    assert [q["op"] for q in feeder.asked if q["t"] == "op?"] == ["op1"]


def test_done_while_no_feeder_was_there(stream, make_feeder):
    first = make_feeder()
    c, early = stream.wait("op1"), stream.wait("op2")
    until(lambda: len(first.asked) == 2)
    first.close()
    until(lambda: not stream.health()["feeder"])
    late = stream.wait("op3")
    first.db.add(op="op1", done=True)
    first.db.add(op="op3", done=True)
    second = make_feeder(first.db)
    assert rendered(c) and rendered(late)
    second.emit(op="op2", done=True)
    assert rendered(early)


def test_event_before_the_answer_and_answer_after_the_client(stream, make_feeder):
    feeder = make_feeder(mute=("op?",))
    a, b = stream.wait("op1"), stream.wait("op2")
    until(lambda: len(feeder.asked) == 2)
    feeder.emit(op="op1", done=True)
    assert rendered(a)
    b.close()
    until(lambda: stream.health()["waits"] == 0)
    for q in feeder.asked:
        feeder.say({"t": "op", "req": q["req"], "done": True})
    assert stream.health()["feeder"]


def test_hundreds_are_parked_and_service_goes_on(stream, feeder):
    waits = [stream.wait(f"op{i}") for i in range(600)]
    until(lambda: stream.health()["waits"] == 600)
    live = stream.events().upgraded()
    assert live.message()["type"] == "ready"
    feeder.emit(op="op599", done=True)
    assert live.message()["id"] == 1
    assert rendered(waits[599])
    assert rendered(stream.wait("op599"))
    for i in range(599):
        feeder.emit(op=f"op{i}", done=True)
    assert all(rendered(c) for c in waits[:599])
    assert stream.health()["waits"] == 0


def test_many_on_one_operation_some_of_them_gone(stream, feeder):
    waits = [stream.wait("op1") for _ in range(100)]
    until(lambda: stream.health()["waits"] == 100)
    for c in waits[::2]:
        c.close()
    until(lambda: stream.health()["waits"] == 50)
    feeder.emit(op="op1", done=True)
    assert all(rendered(c) for c in waits[1::2])


def test_shutdown_lets_waits_render_and_says_goodbye(stream, feeder):
    wait, ws, sse = stream.wait("op1"), stream.events().upgraded(), stream.events("sse")
    sse.head()
    until(lambda: stream.health()["waits"] == 1)
    assert ws.message()["type"] == "ready"
    assert stream.terminate() == 0
    assert rendered(wait)
    assert ws.message() == ("close", 1001)
    sse.rest()
