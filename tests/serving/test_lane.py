"""The direct lane: the same HTTP as uvicorn's own cycle, whatever comes in however it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serving import lane
from tests.serving.lanes import CYCLE, DIRECT, Client, Running, post, running, until


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running() as started:
        yield started


@pytest.fixture
async def client(server: Running) -> AsyncIterator[Client]:
    made = await server.client()
    yield made
    made.close()


def test_the_uvicorn_of_the_lock_is_one_the_lane_knows() -> None:
    assert lane.is_usable()


async def test_a_small_post_goes_the_direct_way(client: Client) -> None:
    await client.send(post(b'{"a": 1}'))
    answer = await client.answer()

    assert (answer.status, answer.way, answer.body) == (200, DIRECT, b'{"a": 1}')
    assert answer.headers["content-length"] == "8"
    assert "date" in answer.headers
    assert "connection" not in answer.headers


async def test_a_request_in_packets_of_one_byte_is_put_together(client: Client) -> None:
    for byte in post(b"whole", "x-long: " + "y" * 100):
        await client.send(bytes([byte]))
        await asyncio.sleep(0)
    answer = await client.answer()

    assert (answer.way, answer.body) == (DIRECT, b"whole")


async def test_a_large_body_in_many_packets_is_put_together(client: Client) -> None:
    body = bytes(range(256)) * 4096  # 1 MB: the largest of the direct lane
    data = post(body)
    for start in range(0, len(data), 50_000):
        await client.send(data[start : start + 50_000])
    answer = await client.answer()

    assert (answer.way, answer.body) == (DIRECT, body)


async def test_a_connection_is_kept_for_the_next_request(client: Client) -> None:
    for number in range(20):
        await client.send(post(b"%d" % number))
        assert (await client.answer()).body == b"%d" % number


async def test_both_ways_take_turns_on_one_connection(client: Client) -> None:
    for number, path in enumerate(["/score", "/other", "/score", "/other"]):
        await client.send(post(b"%d" % number, path=path))
        answer = await client.answer()
        assert (answer.way, answer.body) == (CYCLE if number % 2 else DIRECT, b"%d" % number)


async def test_pipelined_requests_are_answered_in_their_order(client: Client) -> None:
    paths = ["/score", "/other", "/score", "/score", "/other"] * 4
    await client.send(b"".join(post(b"%d" % n, path=path) for n, path in enumerate(paths)))

    assert [(await client.answer()).body for _ in paths] == [b"%d" % n for n in range(len(paths))]


async def test_a_pipelined_request_waits_for_the_answer_before_it(
    server: Running, client: Client
) -> None:
    server.handler.holds = True
    await client.send(post(b"first") + post(b"second") + post(b"third", path="/other"))
    await until(lambda: server.handler.held, "the first is handled")
    await asyncio.sleep(0.05)

    assert server.handler.handled == 1
    server.handler.answer(server.handler.held[0])
    assert [(await client.answer()).body for _ in range(3)] == [b"first", b"second", b"third"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"same", version="1.0"),
        post(b"same", path="/score?verbose=1"),
        post(b"same", path="/other"),
        post(b"same", "x-twice: 1", "x-twice: 2"),
        b"POST /score HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"
        b"2\r\nsa\r\n2\r\nme\r\n0\r\n\r\n",
    ],
    ids=["http10", "query", "path", "header-twice", "chunked"],
)
async def test_anything_unusual_goes_uvicorns_way(client: Client, request_bytes: bytes) -> None:
    await client.send(request_bytes)
    answer = await client.answer()

    assert (answer.way, answer.body) == (CYCLE, b"same")


@pytest.mark.parametrize("asked", ["h2c", "websocket"])
@pytest.mark.parametrize("piece", [1, 100_000])
@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 5\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
        b"\r\n",
    ],
    ids=["length", "chunked", "empty"],
)
async def test_an_upgrade_is_not_taken_up_and_loses_no_body(
    client: Client, asked: str, piece: int, body: bytes
) -> None:
    head = f"POST /score HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: {asked}\r\n"
    data = head.encode() + body + post(b"next")
    for start in range(0, len(data), piece):
        await client.send(data[start : start + piece])
        await asyncio.sleep(0)
    first, second = await client.answer(), await client.answer()

    assert (first.status, first.body) == (200, b"hello" if b"hello" in body else b"")
    assert second.body == b"next"


async def test_a_broken_body_after_an_upgrade_is_a_400(client: Client) -> None:
    upgrade = b"POST /score HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: h2c\r\n"
    await client.send(upgrade + b"transfer-encoding: chunked\r\n\r\nxyz\r\n")

    assert (await client.answer()).status == 400
    assert await client.ended()


async def test_http_1_0_is_answered_and_closed(client: Client) -> None:
    await client.send(post(b"old", version="1.0"))

    assert (await client.answer()).body == b"old"
    assert await client.ended()


async def test_who_expects_a_continue_gets_one(client: Client) -> None:
    head, body = post(b"later", "expect: 100-continue").split(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    assert (await client.answer()).status == 100
    await client.send(body)

    assert (await client.answer()).body == b"later"


async def test_a_body_above_one_megabyte_goes_uvicorns_way(client: Client) -> None:
    body = b"x" * (1024 * 1024 + 1)
    await client.send(post(body))
    answer = await client.answer()

    assert (answer.way, answer.body) == (CYCLE, body)


async def test_big_headers_are_read(client: Client) -> None:
    await client.send(post(b"small", *(f"x-{n}: {'y' * 1000}" for n in range(30))))

    assert (await client.answer()).body == b"small"


@pytest.mark.parametrize(
    "headers", [["x-long: " + "y" * 33_000], ["x-many: y"] * 3000], ids=["long", "many"]
)
@pytest.mark.parametrize("piece", [1000, 1_000_000])
async def test_headers_above_32_kb_are_a_431(
    server: Running, client: Client, headers: list[str], piece: int
) -> None:
    data = post(b"never read", *headers)
    for start in range(0, 33_000, piece):
        await client.send(data[start : start + piece])
    answer = await client.answer()

    assert (answer.status, answer.headers["connection"]) == (431, "close")
    assert await client.ended()
    assert server.handler.handled == 0


async def test_a_header_without_an_end_is_a_431(client: Client) -> None:
    await client.send(b"POST /score HTTP/1.1\r\nx-long: ")
    for _ in range(34):
        await client.send(b"y" * 1000)

    assert (await client.answer()).status == 431
    assert await client.ended()


async def test_a_large_body_in_one_packet_with_its_head_is_no_large_head(client: Client) -> None:
    await client.send(post(b"x" * 60_000))
    await client.send(post(b"x" * 60_000) * 3)

    assert [(await client.answer()).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"POST /score HTTP/1.1\r\nx-slow: "])
async def test_a_head_that_does_not_come_ends_its_connection(
    server: Running, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(lane, "HEAD_SECONDS", 0.3)
    client = await server.client()
    started = asyncio.get_running_loop().time()
    for _ in range(3):  # a drip of bytes does not help
        await client.send(begun or b"")
        await asyncio.sleep(0.05)
    if begun.strip():
        assert (await client.answer()).status == 408

    assert await client.ended()
    assert asyncio.get_running_loop().time() - started < 3


async def test_a_second_head_must_come_in_time_too(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "HEAD_SECONDS", 0.3)
    client = await server.client()
    await client.send(post(b"first"))
    await client.answer()
    await asyncio.sleep(0.5)  # idle between requests, which is another limit's
    await client.send(post(b"second"))
    assert (await client.answer()).body == b"second"
    await client.send(b"POST /sc")

    assert (await client.answer()).status == 408
    assert await client.ended()


async def test_a_slow_answer_does_not_count_against_the_head_behind_it(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "HEAD_SECONDS", 0.3)
    client = await server.client()
    server.handler.holds = True
    second = post(b"second", path="/other")
    await client.send(post(b"first") + second[:20])
    await asyncio.sleep(0.8)
    server.handler.answer(server.handler.held[0])
    assert (await client.answer()).body == b"first"
    await client.send(second[20:])

    assert (await client.answer()).body == b"second"
    client.close()


@pytest.mark.parametrize("path", ["/score", "/other"])
async def test_an_idle_connection_is_closed_when_its_time_is_over(path: str) -> None:
    async with running(timeout_keep_alive=1) as server:
        client = await server.client()
        for _ in range(3):  # each request starts the time anew
            await client.send(post(b"again", path=path))
            await client.answer()
            await asyncio.sleep(0.4)
        started = asyncio.get_running_loop().time()

        assert await client.ended()
        assert 0.3 < asyncio.get_running_loop().time() - started < 3


async def test_a_connection_that_waits_for_its_answer_is_not_idle() -> None:
    async with running(timeout_keep_alive=1) as server:
        client = await server.client()
        await client.send(post(b"quick"))
        await client.answer()
        server.handler.holds = True
        await client.send(post(b"slow"))
        await until(lambda: server.handler.held, "it is handled")
        await asyncio.sleep(1.3)
        server.handler.answer(server.handler.held[0])

        assert (await client.answer()).body == b"slow"
        client.close()


async def test_a_close_asked_for_is_kept(client: Client) -> None:
    await client.send(post(b"last", "connection: close"))
    answer = await client.answer()

    assert (answer.way, answer.headers["connection"]) == (DIRECT, "close")
    assert await client.ended()


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"POST /score HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /score HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /score HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nab",
    ],
    ids=["nonsense", "two-lengths", "negative-length", "length-and-chunked"],
)
async def test_what_is_no_http_is_a_400(server: Running, client: Client, data: bytes) -> None:
    await client.send(data)
    answer = await client.answer()

    assert answer.status == 400
    assert await client.ended()
    assert server.handler.handled == 0


async def test_nonsense_in_the_middle_of_a_body_ends_only_its_connection(
    server: Running, client: Client
) -> None:
    await client.send(post(b"good") + b"nonsense\r\n\r\n")
    assert (await client.answer()).body == b"good"
    assert (await client.answer()).status == 400

    other = await server.client()
    await other.send(post(b"unharmed"))
    assert (await other.answer()).body == b"unharmed"
    other.close()


async def test_a_client_that_goes_in_the_middle_of_its_body_was_never_there(
    server: Running, client: Client
) -> None:
    await client.send(post(b"only half of it")[:-5])
    await until(lambda: server.server.server_state.connections, "it is connected")
    client.close()
    await until(lambda: not server.server.server_state.connections, "the connection is gone")

    assert server.handler.handled == 0


async def test_a_client_that_goes_before_its_answer_is_noticed(
    server: Running, client: Client
) -> None:
    server.handler.holds = True
    await client.send(post(b"impatient"))
    await until(lambda: server.handler.held, "it is handled")
    client.close()
    await until(lambda: server.handler.gone == 1, "its handler knows")

    server.handler.answer(server.handler.held[0])  # too late, and no harm


async def test_a_fault_of_the_handler_ends_only_its_connection(
    server: Running, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.handler, "answer", lambda exchange: 1 / 0)
    await client.send(post(b"boom"))
    assert await client.ended()

    monkeypatch.undo()
    other = await server.client()
    await other.send(post(b"unharmed"))
    assert (await other.answer()).body == b"unharmed"
    other.close()


async def test_who_does_not_read_does_not_fill_the_memory(server: Running, client: Client) -> None:
    block = post(b"x" * 100_000) * 10
    sending = asyncio.create_task(_send_for_ever(client, block))
    await asyncio.sleep(0.5)
    connection = next(iter(server.server.server_state.connections))
    waiting = connection.transport.get_write_buffer_size()
    handled = server.handler.handled
    await asyncio.sleep(0.3)

    assert waiting < 4_000_000
    assert server.handler.handled - handled < 20  # it reads no more than it can answer
    sending.cancel()


async def _send_for_ever(client: Client, block: bytes) -> None:
    while True:
        await client.send(block)


async def test_shutdown_waits_for_the_answer_under_way(server: Running, client: Client) -> None:
    server.handler.holds = True
    await client.send(post(b"under way"))
    await until(lambda: server.handler.held, "it is handled")
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0.3)
    assert not stopping.done()

    server.handler.answer(server.handler.held[0])
    answer = await client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"under way", "close")
    await stopping


async def test_shutdown_waits_for_a_request_that_has_begun(server: Running, client: Client) -> None:
    data = post(b"in two parts")
    await client.send(data[:30])
    await until(lambda: server.server.server_state.connections, "it is connected")
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(1)
    await client.send(data[30:])

    assert (await client.answer()).body == b"in two parts"
    await stopping


@pytest.mark.parametrize("path", ["/score", "/other"])
async def test_a_request_sent_while_the_server_shuts_down_is_answered(
    server: Running, client: Client, path: str
) -> None:
    await client.send(post(b"before"))
    await client.answer()
    stopping = asyncio.create_task(server.stop())
    await until(lambda: not server.server.servers[0].is_serving(), "it accepts no more")
    await client.send(post(b"late", path=path))

    answer = await client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"late", "close")
    assert await client.ended()
    await stopping


async def test_shutdown_does_not_wait_for_idle_connections(server: Running) -> None:
    clients = [await server.client() for _ in range(3)]
    await clients[0].send(post(b"once"))
    await clients[0].answer()
    started = asyncio.get_running_loop().time()
    await server.stop()

    assert asyncio.get_running_loop().time() - started < 3
    assert all([await client.ended() for client in clients])


async def test_without_a_direct_lane_the_same_limits_and_the_same_shutdown_hold() -> None:
    async with running(direct=False) as server:
        client = await server.client()
        await client.send(post(b"before"))
        assert (await client.answer()).way == CYCLE
        large = await server.client()
        await large.send(post(b"", "x-long: " + "y" * 33_000))
        assert (await large.answer()).status == 431
        stopping = asyncio.create_task(server.stop())
        await until(lambda: not server.server.servers[0].is_serving(), "it accepts no more")
        await client.send(post(b"late"))

        answer = await client.answer()
        assert (answer.body, answer.headers["connection"]) == (b"late", "close")
        assert await client.ended()
        await stopping
