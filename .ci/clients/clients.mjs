// Every method of the JavaScript client `durable-functions`, against the demo, once by way of the RPC address and once by
// way of the management URLs alone.
//
// Usage: clients.mjs ORIGIN, where the demo listens. Each line of the output is one thing that holds; the first that does
// not ends the script.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const origin = process.argv[2];
// The package replaces the origin of the URLs by its default when no host says where it is.
process.env.WEBSITE_HOSTNAME = new URL(origin).host;
const df = await import("durable-functions");

const binding = JSON.parse(
    readFileSync(new URL("binding.json", import.meta.url), "utf8").replaceAll("ORIGIN", origin)
);
const unknown = "nobody";
const { Running, Completed, Failed, Canceled, Terminated, Suspended } = df.OrchestrationRuntimeStatus;

/** A client, made as in a function: from the input binding of an invocation. */
function clientOf(changes) {
    const input = df.input.durableClient();
    const extraInputs = new Map([[input, { ...binding, ...changes }]]);
    return df.getClient({ options: { extraInputs: [input] }, extraInputs });
}

let way = "";
function holds(what) {
    console.log(`ok  ${way}: ${what}`);
}

async function fails(call, wanted) {
    await assert.rejects(call, (error) => {
        assert.equal(error.message, wanted);
        return true;
    });
}

/** The text of the error for an answer that the client does not expect. */
function unexpected(status, details) {
    return `The operation failed with an unexpected status code: ${status}. Details: ${JSON.stringify(details)}`;
}

const quick = { timeoutInMilliseconds: 20_000, retryIntervalInMilliseconds: 10 };

/** The status of an instance once it has ended. */
async function finished(client, id) {
    await client.waitForCompletionOrCreateCheckStatusResponse(undefined, id, quick);
    const status = await client.getStatus(id, { showInput: true });
    assert.ok([Completed, Failed, Terminated].includes(status.runtimeStatus), status.runtimeStatus);
    return status;
}

async function reaches(client, id, wanted) {
    let status;
    for (let n = 0; n < 2_000; n++) {
        status = await client.getStatus(id);
        if (status.runtimeStatus === wanted) return status;
        await pause(10);
    }
    assert.fail(`${id} is ${status.runtimeStatus}, not ${wanted}`);
}

const names = ["approval", "echo", "fan_out", "flaky", "hello_cities", "order", "relay", "sleep"];
const greetings = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"];

async function starts(client, p) {
    const odd = `${p} b+c&d=e ü日本`;
    const generated = await client.startNew("echo");
    assert.match(generated, /^[0-9a-f]{32}$/);
    // What the package sends for no input is an empty string; `null` would be nothing.
    assert.equal((await finished(client, generated)).output, "");
    holds("startNew without an id gives 32 hexadecimal digits");

    assert.equal(await client.startNew("hello_cities", { instanceId: `${p}given`, input: null }), `${p}given`);
    assert.deepEqual((await finished(client, `${p}given`)).output, greetings);
    holds("startNew with an id gives it back");

    const values = [
        null, true, false, 0, -1, 1.5, 9007199254740991, "text", "42", "null", "true", '{"a": 1}', "[1]", '"quoted"', "",
        "new\nline \\ \u0000 \u2028 ü 日本 😀", [], [1, [2, "3"]], {}, { a: { b: null }, ü: "日本" },
    ];
    for (const value of values) {
        const status = await finished(client, await client.startNew("echo", { input: value }));
        assert.deepEqual(status.input, value);
        assert.deepEqual(status.output, value);
    }
    holds("startNew keeps every kind of input, and texts that look like JSON");

    const large = "x".repeat(1_000_000);
    const echoed = await finished(client, await client.startNew("echo", { input: large }));
    assert.ok(echoed.output === large);
    holds("startNew takes an input of a megabyte");

    assert.equal(await client.startNew("echo", { instanceId: odd, input: "ü日本" }), odd);
    const strange = await finished(client, odd);
    assert.deepEqual([strange.instanceId, strange.output], [odd, "ü日本"]);
    assert.deepEqual(await client.purgeInstanceHistory(odd), { instancesDeleted: 1 });
    holds("an id with blanks, plus signs and other alphabets");

    const known = names.map((name) => `'${name}'`).join(", ");
    await fails(
        client.startNew("nothing"),
        unexpected(400, {
            Message: "One or more of the arguments submitted is incorrect",
            ExceptionMessage:
                "The function 'nothing' doesn't exist, is disabled, or is not an orchestrator function. " +
                `Additional info: The following are the known orchestrator functions: ${known}.`,
            ExceptionType: "System.ArgumentException",
            StackTrace: null,
        })
    );
    await fails(client.startNew(""), "orchestratorFunctionName must be a valid string.");
    holds("startNew names the orchestrators when there is no such one");

    const versioned = await client.startNew("echo", { input: 1, version: "1.0 + β" });
    assert.equal((await finished(client, versioned)).output, 1);
    holds("startNew with a version");

    await client.startNew("relay", { instanceId: `${p}taken` });
    await reaches(client, `${p}taken`, Running);
    await fails(
        client.startNew("relay", { instanceId: `${p}taken` }),
        unexpected(409, { Message: "An Orchestration instance with the status Running already exists." })
    );
    holds("startNew refuses the id of a live instance");
    await client.terminate(`${p}taken`, "enough");
    await reaches(client, `${p}taken`, Terminated);
    await client.startNew("echo", { instanceId: `${p}taken` });
    assert.equal((await finished(client, `${p}taken`)).name, "echo");
    holds("startNew replaces a finished instance");

    const ids = Array.from({ length: 120 }, (_, n) => `${p}parallel-${String(n).padStart(3, "0")}`);
    assert.deepEqual(await Promise.all(ids.map((instanceId, input) => client.startNew("echo", { instanceId, input }))), ids);
    const ended = await Promise.all(ids.map((id) => finished(client, id)));
    assert.deepEqual(ended.map((status) => status.output), ids.map((_, n) => n));
    holds("a hundred and twenty starts at the same time");
    const all = (await client.getStatusAll()).map((status) => status.instanceId);
    assert.deepEqual(all.filter((id) => id.startsWith(`${p}parallel-`)), ids);
    assert.equal(new Set(all).size, all.length);
    holds("getStatusAll follows the pages");
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/;

/** The raw answer: the package drops the history, which it looks for under another name. */
async function raw(id, query) {
    const response = await fetch(`${origin}/runtime/webhooks/durabletask/instances/${id}?${query}`);
    return { code: response.status, headers: response.headers, body: await response.json() };
}

async function statuses(client, p) {
    const id = `${p}order`;
    const before = Math.floor(Date.now() / 1000) * 1000;
    await client.startNew("order", { instanceId: id, input: { amount: 1500 } });
    const status = await finished(client, id);
    assert.ok(status.createdTime.getTime() >= before && status.createdTime <= status.lastUpdatedTime);
    assert.deepEqual(
        { ...status, createdTime: 0, lastUpdatedTime: 0 },
        {
            name: "order",
            instanceId: id,
            createdTime: 0,
            lastUpdatedTime: 0,
            input: { amount: 1500 },
            output:
                "Orchestrator function 'order' failed: activity 'charge_card' failed: the payment of 1500 was " +
                "declined: the card's limit is 1000",
            runtimeStatus: Failed,
            customStatus: "compensated",
            history: undefined,
        }
    );
    holds("getStatus of a failed instance");

    await client.startNew("fan_out", { instanceId: `${p}fan`, input: 3 });
    await finished(client, `${p}fan`);
    const flags = { showHistory: true, showHistoryOutput: true, showInput: true };
    assert.equal((await client.getStatus(`${p}fan`, flags)).output, 5);
    const { code, headers, body } = await raw(`${p}fan`, "showHistory=true&showHistoryOutput=true");
    assert.deepEqual([code, headers.get("location")], [200, null]);
    const events = body.historyEvents.map(({ Timestamp, ScheduledTime, ...event }) => {
        assert.match(Timestamp, time);
        if (ScheduledTime !== undefined) assert.match(ScheduledTime, time);
        return event;
    });
    assert.deepEqual(events[0], { EventType: "ExecutionStarted", FunctionName: "fan_out", Input: "3" });
    assert.deepEqual(
        events.slice(1, 4).sort((a, b) => a.Result - b.Result),
        [0, 1, 2].map((n) => ({ EventType: "TaskCompleted", Result: n * n, FunctionName: "square", Input: `${n}` }))
    );
    assert.deepEqual(events.slice(4), [
        { EventType: "ExecutionCompleted", OrchestrationStatus: "Completed", Result: 5 },
    ]);
    holds("getStatus with the history");

    // By way of the management URLs the client can hide the input; the RPC address it asks for it, or not at all.
    const shown = (await client.getStatus(`${p}fan`, { showInput: false })).input;
    assert.equal(shown, way === "rpc" ? 3 : null);
    await fails(
        client.getStatus(unknown),
        "DurableClient error: Durable Functions extension replied with HTTP 404 response. This usually means we could " +
            `not find any data associated with the instanceId provided: ${unknown}.`
    );
    holds("getStatus hides the input, and fails for an unknown instance");

    await client.startNew("approval", { instanceId: `${p}asking`, input: { timeoutSeconds: 600 } });
    assert.equal((await reaches(client, `${p}asking`, Running)).customStatus.waitingFor, "Approval");
    await client.raiseEvent(`${p}asking`, "Approval", { approved: true, by: "Ada" });
    assert.deepEqual((await finished(client, `${p}asking`)).output, { approved: true, by: "Ada", timedOut: false });
    holds("getStatus shows the custom status");
}

async function lists(client, p) {
    const ids = async (filter) => (await client.getStatusBy(filter)).map((status) => status.instanceId);
    // The times of the client have milliseconds only, so each bound gets one of its own.
    const now = async () => {
        await pause(2);
        const now = new Date();
        await pause(2);
        return now;
    };
    const first = await now();
    await client.startNew("echo", { instanceId: `${p}list-1` });
    await finished(client, `${p}list-1`);
    const between = await now();
    await client.startNew("relay", { instanceId: `${p}list-2` });
    await reaches(client, `${p}list-2`, Running);
    const last = await now();
    const both = [`${p}list-1`, `${p}list-2`];
    assert.deepEqual(await ids({ createdTimeFrom: first }), both);
    assert.deepEqual(await ids({ createdTimeFrom: first, createdTimeTo: between }), both.slice(0, 1));
    assert.deepEqual(await ids({ createdTimeFrom: between, createdTimeTo: last }), both.slice(1));
    assert.deepEqual(await ids({ createdTimeFrom: last }), []);
    holds("getStatusBy creation time");
    assert.deepEqual(await ids({ createdTimeFrom: first, runtimeStatus: [Running] }), both.slice(1));
    assert.deepEqual(await ids({ createdTimeFrom: first, runtimeStatus: [Running, Completed] }), both);
    assert.deepEqual(await ids({ createdTimeFrom: first, runtimeStatus: [Failed, Canceled] }), []);
    assert.deepEqual(await ids({ runtimeStatus: [Running] }), both.slice(1));
    assert.deepEqual(await ids({ createdTimeFrom: first, runtimeStatus: [] }), both);
    holds("getStatusBy status");
    assert.deepEqual(await ids({ createdTimeFrom: first, taskHubName: "Another" }), []);
    assert.deepEqual(await ids({ createdTimeFrom: first, taskHubName: "testhub", connectionName: "Storage" }), both);
    holds("getStatusBy task hub");
    await client.terminate(`${p}list-2`, "enough");
    await reaches(client, `${p}list-2`, Terminated);
}

async function events(client, p) {
    const values = [null, true, 0, "text", "42", "", '{"a": 1}', [1], { ü: [null] }];
    for (const [n, value] of values.entries()) {
        await client.startNew("relay", { instanceId: `${p}event-${n}` });
        await client.raiseEvent(`${p}event-${n}`, "Go", value);
        assert.deepEqual((await finished(client, `${p}event-${n}`)).output, value);
    }
    holds("raiseEvent with every kind of payload");

    const other = { taskHubName: "Another", connectionName: "Storage" };
    await client.startNew("relay", { instanceId: `${p}hub` });
    await fails(client.raiseEvent(`${p}hub`, "Go", 1, other), `No instance with ID '${p}hub' found.`);
    await client.raiseEvent(`${p}hub`, "gO", 1, { taskHubName: "TESTHUB", connectionName: "Storage" });
    assert.equal((await finished(client, `${p}hub`)).output, 1);
    holds("raiseEvent names a task hub");

    await fails(client.raiseEvent(unknown, "Go", 1), `No instance with ID '${unknown}' found.`);
    assert.equal(await client.raiseEvent(`${p}hub`, "Go", 1), undefined);
    await fails(client.raiseEvent(`${p}hub`, "", 1), "eventName must be a valid string.");
    holds("raiseEvent to nobody fails, to a finished instance it does nothing");

    await client.startNew("relay", { instanceId: `${p}bare` });
    await reaches(client, `${p}bare`, Running);
    await assert.rejects(client.raiseEvent(`${p}bare`, "Go"), /unexpected status code: 400\. .*"Invalid JSON content"/);
    await client.terminate(`${p}bare`, "enough");
    await reaches(client, `${p}bare`, Terminated);
    holds("raiseEvent without a payload fails");
}

const wrong = (message) => ({
    Message: "Something went wrong while processing your request",
    ExceptionMessage: message,
    ExceptionType: "System.InvalidOperationException",
    StackTrace: null,
});

async function control(client, p) {
    const stopped = `${p}stopped`;
    await client.startNew("relay", { instanceId: stopped });
    await client.terminate(stopped, 'a reason with blanks, ü and "quotes"');
    assert.equal((await reaches(client, stopped, Terminated)).output, 'a reason with blanks, ü and "quotes"');
    assert.equal(await client.terminate(stopped, "again"), undefined);
    await fails(client.terminate(unknown, "x"), `No instance with ID '${unknown}' found.`);
    holds("terminate keeps the reason, and may be repeated");

    const paused = `${p}paused`;
    const cannot = (what, state) =>
        unexpected(500, wrong(`Cannot ${what} the orchestration instance ${paused} because instance is in the ${state} state.`));
    await client.startNew("relay", { instanceId: paused });
    await reaches(client, paused, Running);
    await fails(client.resume(paused, "early"), cannot("resume", "Running"));
    await client.suspend(paused, "a reason");
    await reaches(client, paused, Suspended);
    await fails(client.suspend(paused, "twice"), cannot("suspend", "Suspended"));
    await client.raiseEvent(paused, "Go", 7);
    assert.equal((await client.getStatus(paused)).runtimeStatus, Suspended);
    holds("suspend holds an instance, and fails when it is repeated");
    await client.resume(paused, "go on");
    assert.equal((await finished(client, paused)).output, 7);
    assert.equal(await client.suspend(paused, "late"), undefined);
    assert.equal(await client.resume(paused, "late"), undefined);
    for (const operation of ["suspend", "resume"]) {
        await fails(client[operation](unknown, "x"), `No instance with ID '${unknown}' found.`);
    }
    holds("resume lets it go on, with the event that came meanwhile");

    const rewound = `${p}rewound`;
    await client.startNew("flaky", { instanceId: rewound, input: null });
    const failed = await finished(client, rewound);
    assert.deepEqual(
        [failed.runtimeStatus, failed.output],
        [Failed, "Orchestrator function 'flaky' failed: activity 'deliver' failed: the road is closed"]
    );
    await client.rewind(rewound, "the road is open", { taskHubName: "TestHub", connectionName: "Storage" });
    const done = await finished(client, rewound);
    assert.deepEqual([done.runtimeStatus, done.output], [Completed, "delivered"]);
    holds("rewind repairs a failed instance");
    await fails(
        client.rewind(rewound, "again"),
        `Cannot rewind the orchestration instance ${rewound} because it is in the "Completed" state; ` +
            'only orchestrations in the "Failed" state can be rewound.'
    );
    await fails(client.rewind(unknown, "x"), `No instance with ID '${unknown}' was found.`);
    holds("rewind of what has not failed, and of nobody, fails");
}

async function responses(client, p) {
    const live = `${p}live`;
    await client.startNew("relay", { instanceId: live });
    await reaches(client, live, Running);
    const request = { url: "https://example.org/api/start?x=1" };
    const entries = Object.entries(binding.managementUrls);
    const wanted = Object.fromEntries(entries.map(([key, url]) => [key, url.replace("INSTANCEID", live)]));
    assert.deepEqual(client.createHttpManagementPayload(live), wanted);
    holds("createHttpManagementPayload");

    const moved = Object.fromEntries(
        Object.entries(wanted).map(([key, url]) => [key, url.replace(origin, "https://example.org")])
    );
    const response = client.createCheckStatusResponse(request, live);
    assert.deepEqual([response.status, await response.json()], [202, moved]);
    assert.equal(response.headers.get("location"), moved.statusQueryGetUri);
    assert.equal(response.headers.get("retry-after"), "10");
    assert.equal((await raw(live, "")).code, 202);
    holds("createCheckStatusResponse");

    const wait = async (id, options = quick) => {
        const response = await client.waitForCompletionOrCreateCheckStatusResponse(request, id, options);
        return [response.status, await response.json()];
    };
    await client.startNew("hello_cities", { instanceId: `${p}awaited`, input: null });
    assert.deepEqual(await wait(`${p}awaited`), [200, greetings]);
    holds("waitForCompletionOrCreateCheckStatusResponse completes");
    assert.deepEqual(await wait(live, { timeoutInMilliseconds: 60, retryIntervalInMilliseconds: 20 }), [202, moved]);
    holds("waitForCompletionOrCreateCheckStatusResponse times out");
    await client.startNew("flaky", { instanceId: `${p}awaited`, input: null });
    const [code, body] = await wait(`${p}awaited`);
    assert.deepEqual([code, body.runtimeStatus, body.instanceId], [500, "Failed", `${p}awaited`]);
    holds("waitForCompletionOrCreateCheckStatusResponse shows a failure");
    await client.terminate(live, "done");
    const [ended, status] = await wait(live);
    assert.deepEqual([ended, status.runtimeStatus, status.output], [200, "Terminated", "done"]);
    holds("waitForCompletionOrCreateCheckStatusResponse shows a termination");
    await fails(
        wait(live, { timeoutInMilliseconds: 10, retryIntervalInMilliseconds: 20 }),
        "Total timeout 10 (ms) should be bigger than retry timeout 20 (ms)"
    );
    holds("waitForCompletionOrCreateCheckStatusResponse checks its times");
}

async function entities(client) {
    const counter = new df.EntityId("Counter", "one");
    const options = { taskHubName: "TestHub", connectionName: "Storage" };
    for (const state of [await client.readEntityState(counter), await client.readEntityState(counter, options)]) {
        assert.deepEqual([state.entityExists, state.entityState], [false, undefined]);
    }
    holds("readEntityState of an entity that does not exist");
    for (const value of [undefined, 1, { a: 1 }]) {
        await assert.rejects(client.signalEntity(counter, "add", value, options), /unexpected status code: 400\. /);
    }
    holds("signalEntity says that there are no entities");
}

async function purges(client, p) {
    await client.startNew("echo", { instanceId: `${p}purged` });
    await finished(client, `${p}purged`);
    assert.deepEqual(await client.purgeInstanceHistory(`${p}purged`), { instancesDeleted: 1 });
    assert.equal((await client.purgeInstanceHistory(`${p}purged`)).instancesDeleted, 0);
    await client.startNew("relay", { instanceId: `${p}kept` });
    await reaches(client, `${p}kept`, Running);
    await assert.rejects(client.purgeInstanceHistory(`${p}kept`), /unexpected status code: 412\. Details: ".*Running/);
    holds("purgeInstanceHistory removes what is finished");

    await pause(2);
    const first = new Date();
    await pause(2);
    for (const n of [0, 1, 2]) await finished(client, await client.startNew("echo", { instanceId: `${p}by-${n}` }));
    await finished(client, await client.startNew("flaky", { instanceId: `${p}by-flaky`, input: null }));
    await pause(2);
    const last = new Date();
    const purge = async (filter) => (await client.purgeInstanceHistoryBy(filter)).instancesDeleted;
    assert.equal(await purge({ createdTimeFrom: last }), 0);
    assert.equal(await purge({ createdTimeFrom: first, runtimeStatus: [Running] }), 0);
    assert.equal(await purge({ createdTimeFrom: first, createdTimeTo: last, runtimeStatus: [Failed] }), 1);
    assert.equal(await purge({ createdTimeFrom: first, runtimeStatus: [Failed, Completed] }), 3);
    await fails(
        client.purgeInstanceHistoryBy({}),
        way === "rpc"
            ? unexpected(400, "Please provide value for 'createdTimeFrom' parameter.")
            : "createdTimeFrom must be a valid Date"
    );
    holds("purgeInstanceHistoryBy time and status");

    assert.ok((await purge({ createdTimeFrom: new Date(first - 86_400_000) })) > 100);
    assert.deepEqual((await client.getStatusAll()).map((status) => status.instanceId), [`${p}kept`]);
    await client.terminate(`${p}kept`, "done");
    await reaches(client, `${p}kept`, Terminated);
    assert.equal(await purge({ createdTimeFrom: new Date(first - 86_400_000) }), 1);
    assert.deepEqual(await client.getStatusAll(), []);
    holds("purgeInstanceHistoryBy removes more than a page, and nothing that lives");
}

for (const [name, changes] of [["rpc", {}], ["urls", { rpcBaseUrl: undefined }]]) {
    way = name;
    const client = clientOf(changes);
    assert.equal(client.taskHubName, "TestHub");
    for (const part of [starts, statuses, lists, events, control, responses, entities, purges]) {
        await part(client, `${name}-${randomUUID().slice(0, 4)}-`);
    }
}
