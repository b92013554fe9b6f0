"""Event streams: live, resumed exactly once, pruned, revoked, slow."""
import json
import threading

from stream_kit import PATIENCE, until


def ready(c):
    c.upgraded()
    return last_of_ready(c)


def last_of_ready(c):
    m = c.message()
    assert m["type"] == "ready", m
    return m["last"]


def sse_open(c):
    status, headers = c.head()
    assert status == 200 and headers["content-type"] == "text/event-stream", (status, headers)
    assert headers["x-accel-buffering"] == "no"
    return c


def ids(c, n):
    return [c.message()["id"] for _ in range(n)]


def test_live_websocket_gets_its_tenants_events_only(stream, feeder):
    mine, other, admin = stream.events(), stream.events(scope="t2"), stream.events(scope="*")
    for c in (mine, other, admin):
        assert ready(c) == 0
    feeder.emit(tenant="t1")
    feeder.emit(tenant="t2")
    feeder.emit(tenant="t1", admin=True)
    feeder.emit(tenant="")
    feeder.emit(tenant="t1")
    feeder.emit(tenant="t2")
    assert ids(mine, 2) == [1, 5]
    assert ids(other, 2) == [2, 6]
    assert ids(admin, 6) == [1, 2, 3, 4, 5, 6]


def test_kinds_are_whole_dotted_prefixes(stream, feeder):
    c = stream.events(kinds="instance,operation.done")
    ready(c)
    for kind in ("instance.state", "instances.odd", "operation.progress", "operation.done", "image.pull", "instance.x"):
        feeder.emit(kind=kind)
    assert ids(c, 3) == [1, 4, 6]


def test_sse_has_ids_and_kinds_and_verbatim_data(stream, feeder):
    c = sse_open(stream.events("sse"))
    assert c.sse() == {"id": "0", "event": "ready", "data": '{"type":"ready","last":0}'}
    line = '{"t":"event","id":1,"tenant":"t1","kind":"a.b","admin":false,"op":"","done":false,' \
           '"data":{"x": 0.1 , "z":1e3,"y":"\\u00e9\\"}]é","nested":{"data":[1,{"a":"}"}]}}}'
    feeder.sock.sendall(line.encode() + b"\n")
    assert c.sse() == {"id": "1", "event": "a.b",
                       "data": '{"x": 0.1 , "z":1e3,"y":"\\u00e9\\"}]é","nested":{"data":[1,{"a":"}"}]}}'}


def test_resume_pages_through_everything_once_while_events_keep_coming(stream, make_feeder):
    feeder = make_feeder()
    for i in range(1500):
        feeder.db.add(tenant="t1" if i % 3 else "t2", pad=300)
    feeder.say(*feeder.db.events)
    results, caught_up = {}, threading.Barrier(6)

    def read(after, next_id):
        """next_id() gives the id of an event, or (last,) for `ready`."""
        got, end = [], None
        while end is None or not got or got[-1] < end:
            n = next_id()
            if isinstance(n, tuple):
                end = n[0] + 20
                caught_up.wait(PATIENCE)
            else:
                got.append(n)
        results[after] = got

    def ws_id(c):
        m = c.message()
        return (m["last"],) if m.get("type") == "ready" else m["id"]

    def sse_id(c):
        e = c.sse()
        return (int(e["id"]),) if e["event"] == "ready" else int(e["id"])

    def all_ready():
        caught_up.wait(PATIENCE)

    writer = threading.Thread(target=all_ready)
    writer.start()
    readers = []
    for after in (0, 1, 750, 1499):
        c = stream.events(after=after).upgraded()
        readers.append(threading.Thread(target=read, args=(after, lambda c=c: ws_id(c))))
    sse = stream.events("sse", after=10)
    readers.append(threading.Thread(target=lambda: read(10, lambda s=sse_open(sse): sse_id(s))))
    for r in readers:
        r.start()
    while any(r.is_alive() for r in readers):
        feeder.emit(tenant="t1" if feeder.db.last() % 3 else "t2", pad=100)
        readers[0].join(0.001)
        assert feeder.db.last() < 50000
    writer.join()
    assert len(results) == 5
    tenants = {e["id"]: e["tenant"] for e in feeder.db.events}
    for after, got in results.items():
        assert got == [i for i in range(after + 1, got[-1] + 1) if tenants[i] == "t1"], after


def test_after_the_newest_needs_no_page(stream, feeder):
    feeder.emit()
    assert stream.health()["feeder"]
    a = stream.events(after=1)
    assert ready(a) == 1
    assert not [q for q in feeder.asked if q["t"] == "resume"]
    feeder.emit()
    assert ids(a, 1) == [2]


def test_pruned_position_is_gone(stream, feeder):
    for _ in range(20):
        feeder.emit()
    feeder.db.oldest = 15
    c = stream.events(after=3).upgraded()
    assert c.message() == {"type": "gone", "oldest": 15}
    assert c.message() == ("close", 4410)
    status, _, body = stream.events("sse", after=3).response()
    error = json.loads(body)["error"]
    assert (status, error["code"], error["details"]["oldest"]) == (410, "GONE", "15")
    assert ready_after_page(stream.events(after=14)) == list(range(15, 21))


def ready_after_page(c):
    c.upgraded()
    got = []
    while True:
        m = c.message()
        if m.get("type") == "ready":
            return got
        got.append(m["id"])


def test_feeder_comes_back_and_nothing_is_lost_or_twice(stream, make_feeder):
    first = make_feeder()
    ws, sse = stream.events(), sse_open(stream.events("sse"))
    ready(ws)
    sse.sse()
    first.emit()
    first.close()
    until(lambda: not stream.health()["feeder"])
    for _ in range(5):
        first.db.add()
    first.db.add(tenant="t2")
    second = make_feeder(first.db)
    second.emit()
    third = make_feeder(first.db)  # the newest wins, though the second is still there
    third.emit()
    assert ids(ws, 8) == [1, 2, 3, 4, 5, 6, 8, 9]
    assert [int(sse.sse()["id"]) for _ in range(8)] == [1, 2, 3, 4, 5, 6, 8, 9]


def test_idle_client_is_not_gone_after_pruning_of_what_did_not_concern_it(stream, make_feeder):
    first = make_feeder()
    c = stream.events(scope="t2")
    ready(c)
    for _ in range(50):
        first.emit(tenant="t1")
    mark = stream.events(scope="t1", after=50)
    ready(mark)
    first.close()
    until(lambda: not stream.health()["feeder"])
    first.db.oldest = 51
    make_feeder(first.db).emit(tenant="t2")
    assert ids(c, 1) == [51]


def test_clients_before_the_feeder(stream, make_feeder):
    new, old = stream.events().upgraded(), stream.events(after=0).upgraded()
    sse = stream.events("sse", after=0)
    feeder = make_feeder()
    assert last_of_ready(new) == 0 and last_of_ready(old) == 0
    feeder.emit()
    assert ids(new, 1) == [1] and ids(old, 1) == [1]
    sse_open(sse)
    assert {sse.sse()["event"] for _ in range(2)} == {"ready", "instance.state"}  # its page may already hold the event


def test_kill_and_restart_resumes_from_the_clients_word(stream, make_feeder):
    feeder = make_feeder()
    ws, sse = stream.events(), sse_open(stream.events("sse"))
    ready(ws)
    sse.sse()
    feeder.emit()
    assert ids(ws, 1) == [1]
    last_event_id = int(sse.sse()["id"])
    stream.kill()
    assert ws.rest() == b"" and sse.rest() == b""
    feeder.db.add()
    feeder.db.add()
    stream.start()
    ws, sse = stream.events(after=1), stream.events("sse", after=last_event_id)
    again = make_feeder(feeder.db)
    again.emit()
    assert set_of(ws, 4) == [2, 3, 4]
    sse_open(sse)
    assert [e for e in (sse.sse().get("id") for _ in range(4))][-1] == "4"


def set_of(c, n):
    """Ids among the next n messages (one of which is `ready`)."""
    c.upgraded()
    return [m["id"] for m in (c.message() for _ in range(n)) if "id" in m]


def test_revocations_close_matching_clients_only(stream, feeder):
    by_token, by_session = stream.events(token="k1", session=""), stream.events(session="s9")
    member, elsewhere = stream.events(user="u5", tenant="t1"), stream.events(user="u5", tenant="t2", scope="t2")
    sse, kept = sse_open(stream.events("sse", session="s9")), stream.events()
    for c in (by_token, by_session, member, elsewhere, kept):
        ready(c)
    wait = stream.wait("op1", session="s9")
    until(lambda: stream.health()["waits"] == 1)
    feeder.revoke(token="k1")
    feeder.revoke(session="s9")
    feeder.revoke(user="u5", tenant="t1")
    for c in (by_token, by_session, member):
        assert c.message() == ("close", 4401)
    sse.rest()
    assert wait.response()[0] == 401
    feeder.emit(tenant="t1")
    feeder.emit(tenant="t2")
    assert ids(kept, 1) == [1] and ids(elsewhere, 1) == [2]


def test_context_signed_before_the_revocation_is_refused(stream, feeder):
    early = stream.sign(k="events", proto="sse", after=-1, scope="t1", session="s7")
    feeder.revoke(session="s7")
    feeder.emit()
    assert ready_after_page(stream.events(after=0)) == [1]  # the feeder's lines have been read
    assert stream.request(early).response()[0] == 401


def test_revocations_while_no_feeder_was_there_are_asked_for(stream, make_feeder):
    first = make_feeder()
    c = stream.events(session="s8")
    ready(c)
    first.close()
    until(lambda: not stream.health()["feeder"])
    first.db.add(tenant="", admin=True, kind="session.ended")
    first.db.revoked.append((1, {"t": "revoke", "session": "s8"}))
    make_feeder(first.db)
    assert c.message() == ("close", 4401)


def test_slow_client_is_dropped_and_others_are_served(make_stream, make_feeder):
    stream = make_stream(stream_client_buffer=65536)
    feeder = make_feeder(stream=stream)
    slow, slow_sse, quick = stream.events(), stream.events("sse"), stream.events()
    ready(quick)
    ready(slow)
    sse_open(slow_sse).sse()
    while "too slow" not in stream.log_text():
        assert feeder.emit(pad=4000) == quick.message()["id"]
    total = feeder.db.last()
    read = []
    while not isinstance(m := slow.message(), tuple):
        read.append(m["id"])
    assert m == ("close", 1013)
    assert read == list(range(1, len(read) + 1)) and 0 < len(read) < total
    slow.close()
    while stream.health()["clients"] > 1:
        assert feeder.emit(pad=4000) == quick.message()["id"]
    assert slow_sse.rest().count(b"data:") < feeder.db.last()


def test_a_page_larger_than_the_buffer_reaches_a_slow_reader_whole(make_stream, make_feeder):
    stream = make_stream(stream_client_buffer=8192)
    feeder = make_feeder(stream=stream)
    for _ in range(300):
        feeder.db.add(pad=3000)
    feeder.db.add(pad=300000)
    feeder.say(*feeder.db.events)
    assert ready_after_page(stream.events(after=0)) == list(range(1, 302))


def test_many_resume_at_once(stream, feeder):
    for _ in range(300):
        feeder.emit()
    clients = [stream.events(after=i) for i in range(100)]
    for after, c in enumerate(clients):
        assert ready_after_page(c) == list(range(after + 1, 301))


def test_nonsense_from_the_feeder_only_costs_its_connection(stream, make_feeder):
    c = stream.events()
    feeder = make_feeder()
    ready(c)
    for bad in (b"{}\n", b"nonsense\n", b"[1]\n", b'{"t":"event","id":"1"}\n', b'{"t":"event","id":5}\n',
                b'{"t":"hello","last":1}\n', b'{"t":"event","id":9,"kind":"a\\nb","tenant":"t1","data":{}}\n',
                b'{"t":"event","id":9,"kind":"a","tenant":"t1","data":7}\n', b"[" * 100000 + b"\n", b"\xff\xfe\n"):
        feeder.sock.sendall(bad)
        until(lambda: not stream.health()["feeder"])
        feeder.close()
        feeder = make_feeder(feeder.db)
    feeder.say({"t": "from a later version", "x": 1}, {"t": "batch", "req": 77, "events": [], "more": False, "next": 0},
               {"t": "op", "req": -5, "done": True}, {"t": "gone", "req": 0})
    feeder.emit()
    assert ids(c, 1) == [1]


def test_lines_byte_by_byte(stream, feeder):
    c = stream.events()
    ready(c)
    line = json.dumps(feeder.db.add(pad=50)).encode() + b"\n"
    for i in range(len(line)):
        feeder.sock.sendall(line[i:i + 1])
    assert ids(c, 1) == [1]


def test_pings_and_silence(make_stream, make_feeder):
    stream = make_stream(stream_ping_s=1)
    feeder = make_feeder(stream=stream)
    feeder.emit()
    answering, mute, sse = stream.events(), stream.events(), sse_open(stream.events("sse"))
    ready(answering)
    ready(mute)
    sse.sse()
    assert sse.until(b"\n\n") == b": ping\nid: 1"
    answered = []

    def answer():
        try:
            while (frame := answering.frame())[0] == 9:
                answering.send_frame(10, frame[1])
                answered.append(frame)
        except (EOFError, OSError):
            pass

    threading.Thread(target=answer, daemon=True).start()
    while mute.fill():  # ends by itself
        pass
    until(lambda: len(answered) >= 5)
    assert stream.health()["clients"] == 2
