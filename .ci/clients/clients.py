"""Every method of the Python client `azure-functions-durable`, against the demo.

Usage: clients.py ORIGIN, where the demo listens. Each line of the output is one thing that holds; the first that does not
ends the script.

The Python client encodes inputs and event payloads twice: what it sends is a JSON string that contains JSON, and it wants
that string back. So most orchestrations here are started without an input.
"""

import asyncio
import json
import re
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import aiohttp
import azure.functions as func
from azure.durable_functions import DurableOrchestrationClient, EntityId, OrchestrationRuntimeStatus as Status
from azure.durable_functions.models.utils.http_utils import _close_session
from opentelemetry.sdk.trace import TracerProvider

ORIGIN = sys.argv[1]
BINDING = json.loads((Path(__file__).parent / "binding.json").read_text().replace("ORIGIN", ORIGIN))
WEBHOOK = f"{ORIGIN}/runtime/webhooks/durabletask"
# An id with what URLs treat in their own ways.
ODD = "a b+c&d=e ü日本"
UNKNOWN = "nobody"


def client(**changes):
    return DurableOrchestrationClient(json.dumps(BINDING | changes), str(uuid.uuid4()))


def same(found, wanted):
    assert found == wanted, f"\n   found: {found!r}\n  wanted: {wanted!r}"


def holds(what):
    print(f"ok  {what}", flush=True)


async def fails(call, wanted):
    """The call raises an exception that has exactly this argument."""
    try:
        result = await call
    except Exception as error:
        same(error.args, (wanted,))
    else:
        raise AssertionError(f"it did not fail: {result!r}")


async def finished(durable, instance):
    """The status of an instance once it has ended."""
    await durable.wait_for_completion_or_create_check_status_response(None, instance, 20_000, 10)
    status = await durable.get_status(instance, show_input=True)
    assert status.runtime_status in (Status.Completed, Status.Failed, Status.Terminated), status.runtime_status
    return status


async def reaches(durable, instance, wanted):
    """Returns once an instance has this status."""
    for _ in range(2_000):
        status = await durable.get_status(instance)
        if status.runtime_status == wanted:
            return status
        await asyncio.sleep(0.01)
    raise AssertionError(f"{instance} is {status.runtime_status}, not {wanted}")


async def start_raw(name, instance, body):
    """Starts with an input that the Python client cannot send, since it encodes twice."""
    url = f"{WEBHOOK}/orchestrators/{name}/{instance}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        same(response.status, 202)


async def starts(durable):
    generated = await durable.start_new("hello_cities")
    assert re.fullmatch("[0-9a-f]{32}", generated), generated
    same((await finished(durable, generated)).output, ["Hello Tokyo!", "Hello Seattle!", "Hello London!"])
    holds("start_new without an id gives 32 hexadecimal digits")

    same(await durable.start_new("hello_cities", "given"), "given")
    await finished(durable, "given")
    holds("start_new with an id gives it back")

    same(await durable.start_new("HELLO_cities", "case"), "case")
    await finished(durable, "case")
    holds("start_new finds the orchestrator in any case")

    same(sorted(s.instance_id for s in await durable.get_status_all()), sorted([generated, "given", "case"]))
    holds("get_status_all gives exactly what was started")

    for value in (
        True, False, 0, -1, 1.5, 12345678901234567890, "", "text", "42", "null", "true", '{"a": 1}', "[1]", '"quoted"',
        "new\nline \\ \u0000 \u2028 ü 日本 😀", [], [1, [2, "3"]], {}, {"a": {"b": None}, "ü": "日本"},
    ):
        status = await finished(durable, await durable.start_new("echo", client_input=value))
        for found in (status.input_, status.output):
            assert isinstance(found, str), f"the text that was sent came back as {found!r}"
            same((type(json.loads(found)), json.loads(found)), (type(value), value))
    holds("start_new keeps every kind of input, and texts that look like JSON")

    status = await finished(durable, await durable.start_new("echo"))
    same((status.input_, status.output), (None, None))
    holds("start_new without an input gives null")

    large = "x" * 1_000_000
    status = await finished(durable, await durable.start_new("echo", client_input=large))
    same(json.loads(status.output) == large, True)
    holds("start_new takes an input of a megabyte")

    same(await durable.start_new("echo", ODD, "ü日本"), ODD)
    status = await finished(durable, ODD)
    same((status.instance_id, json.loads(status.output)), (ODD, "ü日本"))
    holds("start_new takes an id with blanks, plus signs and other alphabets")

    await fails(
        durable.start_new("nothing"),
        "The function 'nothing' doesn't exist, is disabled, or is not an orchestrator function. Additional info: "
        "The following are the known orchestrator functions: "
        "'approval', 'echo', 'fan_out', 'flaky', 'hello_cities', 'order', 'relay', 'sleep'.",
    )
    holds("start_new names the orchestrators when there is no such one")

    same((await finished(durable, await durable.start_new("echo", None, "v", "1.0 + β"))).output, '"v"')
    holds("start_new with a version")

    await fails(
        durable.start_new("echo", "@entity@id"),
        "'@entity@id' is not a valid instance id: it starts with '@', which is reserved for entities",
    )
    holds("start_new refuses an id that starts with @")

    await durable.start_new("relay", "taken")
    await reaches(durable, "taken", Status.Running)
    await fails(
        durable.start_new("relay", "taken"),
        {"Message": "An Orchestration instance with the status Running already exists."},
    )
    holds("start_new refuses the id of a live instance")
    await durable.terminate("taken", "enough")
    await reaches(durable, "taken", Status.Terminated)
    same(await durable.start_new("echo", "taken"), "taken")
    same((await finished(durable, "taken")).name, "echo")
    holds("start_new replaces a finished instance")

    ids = await asyncio.gather(*(durable.start_new("echo", f"parallel-{n:03}", n) for n in range(60)))
    same(ids, [f"parallel-{n:03}" for n in range(60)])
    outputs = [(await finished(durable, instance)).output for instance in ids]
    same(outputs, [str(n) for n in range(60)])
    holds("sixty starts at the same time")

    with TracerProvider().get_tracer("clients").start_as_current_span("start"):
        same(await durable.start_new("echo", "traced"), "traced")
    same((await finished(durable, "traced")).runtime_status, Status.Completed)
    holds("start_new within a trace")


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")


def without_times(events):
    shown = []
    for event in events:
        for name in ("Timestamp", "ScheduledTime"):
            if name in event:
                assert TIME.fullmatch(event[name]), event
        shown.append({k: v for k, v in event.items() if k not in ("Timestamp", "ScheduledTime")})
    return shown


async def statuses(durable):
    before = datetime.now(timezone.utc).replace(microsecond=0)
    await durable.start_new("hello_cities", "shown", "Rome")  # Not an array: fails.
    await finished(durable, "shown")
    failed = await durable.get_status("shown", show_input=True)
    same((failed.name, failed.instance_id, failed.runtime_status), ("hello_cities", "shown", Status.Failed))
    same((failed.input_, failed.custom_status, failed.history), ('"Rome"', None, None))
    assert failed.output.startswith("Orchestrator function 'hello_cities' failed: "), failed.output
    assert before <= failed.created_time <= failed.last_updated_time <= datetime.now(timezone.utc), failed.created_time
    assert not hasattr(failed, "historyEvents")
    holds("get_status of a failed instance")

    await durable.start_new("hello_cities", "done")
    await finished(durable, "done")
    bare = await durable.get_status("done")
    same((bare.runtime_status, bare.output), (Status.Completed, ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]))
    assert bool(bare) and not hasattr(bare, "historyEvents")
    holds("get_status without flags has no history")

    cities = ("Tokyo", "Seattle", "London")
    ended = {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed"}

    shown = await durable.get_status("done", show_history=True, show_history_output=True, show_input=True)
    events = without_times(shown.historyEvents)
    same((events[0]["EventType"], events[0]["FunctionName"]), ("ExecutionStarted", "hello_cities"))
    same(
        [{k: v for k, v in event.items() if k != "Input"} for event in events[1:]],
        [{"EventType": "TaskCompleted", "FunctionName": "say_hello", "Result": f"Hello {city}!"} for city in cities]
        + [ended | {"Result": [f"Hello {city}!" for city in cities]}],
    )
    holds("get_status with the history and its outputs")

    shown = await durable.get_status("done", show_history=True)
    same([event for event in shown.historyEvents if "Result" in event], [])
    same(without_times(shown.historyEvents)[-1], ended)
    holds("get_status with the history alone")

    nobody = await durable.get_status(UNKNOWN)
    same((bool(nobody), nobody.runtime_status), (False, None))
    holds("get_status of an unknown instance is false")

    await start_raw("approval", "asking", {"timeoutSeconds": 600})
    asking = await reaches(durable, "asking", Status.Running)
    same(asking.custom_status["waitingFor"], "Approval")
    await durable.terminate("asking", "enough")
    await reaches(durable, "asking", Status.Terminated)
    holds("get_status shows the custom status")


async def lists(durable):
    first = datetime.now(timezone.utc)
    await durable.start_new("echo", "list-1")
    await finished(durable, "list-1")
    between = datetime.now(timezone.utc)
    await durable.start_new("relay", "list-2")
    await reaches(durable, "list-2", Status.Running)
    last = datetime.now(timezone.utc)

    async def ids(**conditions):
        return [s.instance_id for s in await durable.get_status_by(**conditions)]

    same(await ids(created_time_from=first), ["list-1", "list-2"])
    same(await ids(created_time_from=first, created_time_to=between), ["list-1"])
    same(await ids(created_time_from=between, created_time_to=last), ["list-2"])
    same(await ids(created_time_from=last), [])
    holds("get_status_by creation time")
    same(await ids(created_time_from=first, runtime_status=[Status.Running]), ["list-2"])
    same(await ids(created_time_from=first, runtime_status=[Status.Completed]), ["list-1"])
    same(await ids(created_time_from=first, runtime_status=[Status.Completed, Status.Running]), ["list-1", "list-2"])
    same(await ids(created_time_from=first, runtime_status=[Status.Failed, Status.Canceled]), [])
    same(await ids(runtime_status=[Status.Running]), ["list-2"])
    holds("get_status_by status")
    same(await ids(instance_id_prefix="list-"), ["list-1", "list-2"])
    same(await ids(instance_id_prefix="list-2"), ["list-2"])
    same(await ids(instance_id_prefix="a b"), [ODD])
    holds("get_status_by prefix of the id")
    await durable.terminate("list-2", "enough")
    await reaches(durable, "list-2", Status.Terminated)


async def events(durable):
    for n, value in enumerate((None, True, 0, "text", "42", "", '{"a": 1}', [1], {"ü": [None]})):
        instance = f"event-{n}"
        await durable.start_new("relay", instance)
        await durable.raise_event(instance, "Go", value)
        output = (await finished(durable, instance)).output
        assert isinstance(output, str), output
        same(json.loads(output), value)
    holds("raise_event with every kind of payload")

    await durable.start_new("relay", ODD)
    await durable.raise_event(ODD, "gO", 1)
    same((await finished(durable, ODD)).output, "1")
    holds("raise_event to an odd id, with the event's name in another case")

    await durable.start_new("relay", "hub")
    await durable.raise_event("hub", "Go", 1, task_hub_name="testhub", connection_name="Storage")
    same((await finished(durable, "hub")).output, "1")
    await fails(
        durable.raise_event("hub", "Go", 1, task_hub_name="Another"), "No instance with ID hub found."
    )
    holds("raise_event names a task hub")

    await fails(durable.raise_event(UNKNOWN, "Go"), f"No instance with ID {UNKNOWN} found.")
    await fails(durable.raise_event("hub", "Go"), "Instance with ID hub is gone: either completed or failed")
    await fails(durable.raise_event("hub", ""), "event_name must be a non-empty string.")
    holds("raise_event to nobody, and to a finished instance, fails")


async def control(durable):
    await durable.start_new("relay", "stopped")
    await durable.terminate("stopped", "a reason with blanks, 50 % + ü & \"quotes\"")
    status = await reaches(durable, "stopped", Status.Terminated)
    same(status.output, "a reason with blanks, 50 % + ü & \"quotes\"")
    same(await durable.terminate("stopped", "again"), None)
    await fails(durable.terminate(UNKNOWN, "x"), f"No instance with ID '{UNKNOWN}' found.")
    holds("terminate keeps the reason, and may be repeated")

    await durable.start_new("relay", "paused")
    await reaches(durable, "paused", Status.Running)
    await fails(durable.resume("paused", "early"), "The operation failed with an unexpected status code 500")
    await durable.suspend("paused", "a reason & more")
    await reaches(durable, "paused", Status.Suspended)
    await fails(durable.suspend("paused", "twice"), "The operation failed with an unexpected status code 500")
    await durable.raise_event("paused", "Go", 7)
    same((await durable.get_status("paused")).runtime_status, Status.Suspended)
    holds("suspend holds an instance, and fails when it is repeated")
    await durable.resume("paused", "go on")
    same((await finished(durable, "paused")).output, "7")
    same(await durable.suspend("paused", "late"), None)
    same(await durable.resume("paused", "late"), None)
    for operation in (durable.suspend, durable.resume):
        await fails(operation(UNKNOWN, "x"), f"No instance with ID '{UNKNOWN}' found.")
    holds("resume lets it go on, with the event that came meanwhile")

    await durable.start_new("flaky", "rewound")
    failed = await finished(durable, "rewound")
    same(failed.runtime_status, Status.Failed)
    same(
        failed.output,
        "Orchestrator function 'flaky' failed: activity 'deliver' failed: the road is closed",
    )
    await durable.rewind("rewound", "the road is open", task_hub_name="TestHub", connection_name="Storage")
    done = await finished(durable, "rewound")
    same((done.runtime_status, done.output), (Status.Completed, "delivered"))
    holds("rewind repairs a failed instance")
    await fails(
        durable.rewind("rewound", "again"),
        'Cannot rewind the orchestration instance rewound because it is in the "Completed" state; '
        'only orchestrations in the "Failed" state can be rewound.',
    )
    await fails(durable.rewind(UNKNOWN, "x"), f"No instance with ID {UNKNOWN} found.")
    holds("rewind of what has not failed, and of nobody, fails")

    await durable.start_new("echo", "first", {"a": 1})
    await finished(durable, "first")
    # The client hands out the whole answer where it says that it hands out the id.
    again = await durable.restart("first")
    assert re.fullmatch("[0-9a-f]{32}", again["id"]), again
    status = await finished(durable, again["id"])
    same((status.name, status.input_, status.output), ("echo", '{"a": 1}', '{"a": 1}'))
    holds("restart under a new id keeps the input")
    same((await durable.restart("first", False))["id"], "first")
    same((await finished(durable, "first")).output, '{"a": 1}')
    await fails(durable.restart(UNKNOWN), "The operation failed with an unexpected status code 400")
    await durable.start_new("relay", "live")
    await reaches(durable, "live", Status.Running)
    await fails(durable.restart("live", False), "The operation failed with an unexpected status code 409")
    holds("restart under the same id, of nobody, and of a live instance")


async def responses(durable):
    request = func.HttpRequest("POST", "https://example.org/api/start?x=1", body=b"")
    placeholders = BINDING["managementUrls"]
    wanted = {key: url.replace("INSTANCEID", "live") for key, url in placeholders.items()}
    same(durable.create_http_management_payload("live"), wanted)
    same(durable.get_client_response_links(None, "live"), wanted)
    moved = {key: url.replace(ORIGIN, "https://example.org") for key, url in wanted.items()}
    same(durable.get_client_response_links(request, "live"), moved)
    holds("create_http_management_payload and get_client_response_links")

    response = durable.create_check_status_response(request, "live")
    same((response.status_code, json.loads(response.get_body())), (202, moved))
    same((response.headers["Location"], response.headers["Retry-After"]), (moved["statusQueryGetUri"], "10"))
    async with aiohttp.ClientSession() as session, session.get(wanted["statusQueryGetUri"]) as answer:
        same((answer.status, (await answer.json())["runtimeStatus"]), (202, "Running"))
    holds("create_check_status_response has links that work")

    async def wait(instance, timeout=20_000):
        response = await durable.wait_for_completion_or_create_check_status_response(request, instance, timeout, 20)
        return response.status_code, json.loads(response.get_body())

    await durable.start_new("hello_cities", "awaited")
    same(await wait("awaited"), (200, ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]))
    holds("wait_for_completion_or_create_check_status_response completes")
    same(await wait("live", 60), (202, moved))
    holds("wait_for_completion_or_create_check_status_response times out")
    await durable.start_new("flaky", "awaited")
    code, body = await wait("awaited")
    same((code, body["runtimeStatus"], body["instanceId"]), (500, "Failed", "awaited"))
    holds("wait_for_completion_or_create_check_status_response shows a failure")
    await durable.terminate("live", "done")
    code, body = await wait("live")
    same((code, body["runtimeStatus"], body["output"]), (200, "Terminated", "done"))
    holds("wait_for_completion_or_create_check_status_response shows a termination")
    await fails(
        durable.wait_for_completion_or_create_check_status_response(request, "live", 10, 20),
        "Total timeout 10 (ms) should be bigger than retry timeout 20 (ms)",
    )
    holds("wait_for_completion_or_create_check_status_response checks its times")


async def entities(durable):
    state = await durable.read_entity_state(EntityId("Counter", "one"))
    same((state.entity_exists, state.entity_state), (False, None))
    state = await durable.read_entity_state(EntityId("Counter", "one"), "TestHub", "Storage")
    same((state.entity_exists, state.entity_state), (False, None))
    holds("read_entity_state of an entity that does not exist")
    for value in (None, 1, {"a": 1}):
        try:
            await durable.signal_entity(EntityId("Counter", "one"), "add", value)
        except Exception as error:
            assert re.fullmatch("The operation failed with an unexpected status code 400", str(error)), error
        else:
            raise AssertionError("a signal to an entity that nobody knows was accepted")
    holds("signal_entity says that there are no entities")


async def purges(durable):
    await durable.start_new("echo", "purged")
    await finished(durable, "purged")
    same((await durable.purge_instance_history("purged")).instances_deleted, 1)
    same(bool(await durable.get_status("purged")), False)
    same((await durable.purge_instance_history("purged")).instances_deleted, 0)
    await durable.start_new("relay", "kept")
    await reaches(durable, "kept", Status.Running)
    await fails(durable.purge_instance_history("kept"), "The operation failed with an unexpected status code 412")
    same((await durable.purge_instance_history(ODD)).instances_deleted, 1)
    holds("purge_instance_history removes what is finished")

    first = datetime.now(timezone.utc)
    for n in range(3):
        await durable.start_new("echo", f"by-{n}")
        await finished(durable, f"by-{n}")
    await durable.start_new("flaky", "by-flaky")
    await finished(durable, "by-flaky")
    last = datetime.now(timezone.utc)

    async def purge(**conditions):
        return (await durable.purge_instance_history_by(**conditions)).instances_deleted

    same(await purge(created_time_from=last), 0)
    same(await purge(created_time_from=first, runtime_status=[Status.Running]), 0)
    same(await purge(created_time_from=first, created_time_to=last, runtime_status=[Status.Failed]), 1)
    same(await purge(created_time_from=first, runtime_status=[Status.Failed, Status.Completed]), 3)
    await fails(durable.purge_instance_history_by(), "created_time_from is required when purging instance history")
    holds("purge_instance_history_by time and status")

    left = await durable.get_status_all()
    same(len(left), 100)  # The Python client takes the first page for all there is.
    assert await purge(created_time_from=first - timedelta(days=1)) > 100
    same([s.instance_id for s in await durable.get_status_all()], ["kept"])
    await durable.terminate("kept", "done")
    await reaches(durable, "kept", Status.Terminated)
    same(await purge(created_time_from=first - timedelta(days=1)), 1)
    same(await durable.get_status_all(), [])
    holds("purge_instance_history_by removes more than a page, and nothing that lives")


async def without_rpc():
    durable = client(rpcBaseUrl=None)
    wanted = {key: url.replace("INSTANCEID", "x") for key, url in BINDING["managementUrls"].items()}
    same(durable.create_http_management_payload("x"), wanted)
    await fails(durable.get_status("x"), "orchestration bindings has not RPC base url")
    holds("without an RPC address the Python client makes links, and no calls")
    # With the webhook address instead of the RPC address, everything works too.
    durable = client(rpcBaseUrl=f"{WEBHOOK}/")
    await durable.start_new("relay", "webhook")
    await durable.raise_event("webhook", "Go", [1])
    same((await finished(durable, "webhook")).output, "[1]")
    same((await durable.purge_instance_history("webhook")).instances_deleted, 1)
    holds("the webhook address serves as the RPC address")


async def main():
    durable = client()
    try:
        for part in (starts, statuses, lists, events, control, responses, entities, purges):
            await part(durable)
        await without_rpc()
    finally:
        await _close_session()  # A host never does; without it, Python complains at the end.


asyncio.run(main())
