import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { FrontendRequest, HeaderFlag } from "../../../../src/core/protocol/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { Capture, parseCapture, RawBackend, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { EventFd, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

test("a raw back-end answers a client with a reply of its own making", async (t) => {
  const path = join(temporaryFolder(t), "raw.sock");
  const requests: number[] = [];
  const server = await RawBackend.listen(path, async (backend) => {
    t.after(() => backend.close());
    const first = await backend.next();
    assert.ok(typeof first === "object");
    requests.push(first.header.request);
    await backend.reply({ request: FrontendRequest.GetQueueNum }, 1n);
  });
  t.after(() => server.close());
  await assert.rejects(Client.connect(path), /VHOST_USER_GET_FEATURES.*request 17/s);
  assert.deepEqual(requests, [FrontendRequest.GetFeatures]);
});

test("a raw front-end sends flags, sizes and parts as it is asked to", async (t) => {
  const [left, right] = UnixSocket.pair();
  const [front, back] = [new RawFrontend(left), new RawBackend(right)];
  t.after(() => front.close());
  t.after(() => back.close());
  front.read();
  back.read();
  await front.send(FrontendRequest.SetOwner, undefined, { flags: 0xd });
  const odd = await back.next();
  assert.ok(typeof odd === "object");
  assert.deepEqual(odd.header, { request: FrontendRequest.SetOwner, flags: 0xd, size: 0 });
  const whole = Buffer.alloc(20);
  whole.writeUInt32LE(FrontendRequest.SetFeatures, 0);
  whole.writeUInt32LE(HeaderFlag.Version, 4);
  whole.writeUInt32LE(8, 8);
  await front.sendInParts(whole, { cuts: [1, 12], gapMs: 1 });
  const features = await back.next();
  assert.ok(typeof features === "object");
  assert.deepEqual([...features.payload], [0, 0, 0, 0, 0, 0, 0, 0]);
  front.endWriting();
  assert.equal(await back.next(), "closed");
});

test("a raw front-end that gets no answer says so after its time", async (t) => {
  const [left, right] = UnixSocket.pair();
  t.after(() => right.close());
  const front = new RawFrontend(left, { timeoutMs: 20 });
  t.after(() => front.close());
  front.read();
  await assert.rejects(front.alive(), { code: "ERR_VHOST_TIMEOUT" });
});

test("a capture names descriptors by kind, and reads back the same bytes", (t) => {
  let text = "";
  const capture = new Capture((line) => (text += line));
  const event = EventFd.create();
  const [left, right] = UnixSocket.pair();
  t.after(() => {
    for (const each of [event, left, right]) each.close();
  });
  const payload = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  const header = { request: FrontendRequest.SetVringKick, flags: 1, size: payload.length };
  capture.record("front-end", { header, payload, fds: [event.descriptor] });
  capture.record("back-end", { header, payload, fds: [] }, "back-end");
  const [first, second] = parseCapture(text);
  assert.deepEqual(first?.descriptors, ["eventfd"]);
  assert.deepEqual(first?.header, header);
  assert.deepEqual(first?.payload, payload);
  assert.equal(first?.channel, "front-end");
  assert.equal(second?.channel, "back-end");
});

test("a capture that is not one is refused with its line", () => {
  const line = `{"us":1,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}`;
  for (const [text, what] of [
    ["{", "must be JSON"],
    ["7", "must be an object"],
    [line.replace("front-end", "me"), `"from"`],
    [line.replace("1,", "-1,"), `"us"`],
    [line.replace("[]", "{}"), `"descriptors"`],
    [line.replace('"01', '"1'), "hexadecimal"],
    [line.replace("010000000100000000000000", "01"), "12 bytes of a header, not 1"],
  ] as const) {
    assert.throws(() => parseCapture(`${line}\n${text}\n`), {
      code: "ERR_VHOST_USAGE",
      message: new RegExp(`^capture, line 2: .*${what}`),
    });
  }
});
