import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { packageRoot } from "../../src/core/os/index.ts";
import {
  type MessageEvent,
  SessionDecoder,
  shortName,
  TraceReader,
} from "../../src/lab/trace/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram, temporaryDirectory } from "./support/index.ts";
import { assertDissected, exchanges } from "./support/dissected.ts";
import { type FrameFields, Tshark } from "./support/tshark.ts";

guardLeaks();

const skip = needsProgram("tshark");

test("tshark decodes every request of both directions as the codecs do", { skip }, (t) => {
  const expected = exchanges();
  const { state } = new SessionDecoder({ session: 0 });
  const tshark = new Tshark(t, (writer) => {
    for (const { event } of expected) writer.event(event, state);
  });
  assertDissected(tshark.frames(), expected);
});

const FOLDER = join(packageRoot, "test/fixtures/captures");

function eventsOf(name: string) {
  return [...new TraceReader().read(readFileSync(join(FOLDER, name), "utf8"))];
}

function opened(t: TestContext, name: string): { tshark: Tshark; events: MessageEvent[] } {
  const read = eventsOf(name);
  const tshark = new Tshark(t, (writer) => {
    for (const { event, state } of read) writer.event(event, state);
  });
  return { tshark, events: read.flatMap(({ event }) => (event.type === "message" ? event : [])) };
}

for (const file of readdirSync(FOLDER).filter((each) => each.endsWith(".jsonl"))) {
  test(`tshark shows every message of ${file.replace(".jsonl", "")}`, { skip }, (t) => {
    const { tshark, events } = opened(t, file);
    const frames = tshark.frames();
    assert.equal(frames.length, events.length);
    for (const [at, event] of events.entries()) {
      const frame = frames[at] as FrameFields;
      assert.deepEqual(frame.get("vhost_user.request"), [shortName(event.request)]);
      assert.equal(frame.get("vhost_user.from")?.[0], event.from);
      assert.deepEqual(
        frame.get("vhost_user.violation") ?? [],
        event.violations.map(({ rule }) => rule),
      );
      assert.deepEqual(
        frame.get("vhost_user.descriptor.name") ?? [],
        event.descriptors.map(({ name }) => name),
      );
      if (event.ring !== undefined) {
        assert.deepEqual(frame.get("vhost_user.ring"), [String(event.ring)]);
      }
      assert.equal(frame.get("vhost_user.payload"), undefined, event.request);
    }
  });
}

test("fields of a session can be filtered, by feature, ring and configuration", { skip }, (t) => {
  const { tshark } = opened(t, "qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl");
  const count = (filter: string): number =>
    tshark.run("-Y", filter, "-T", "fields", "-e", "frame.number").split("\n").length - 1;
  assert.equal(
    count('vhost_user.request == "SET_FEATURES" && vhost_user.virtio.version_1 == 1'),
    4,
  );
  assert.ok(count("vhost_user.virtio.block.flush == 1 && vhost_user.is_reply") > 0);
  assert.equal(count("vhost_user.config.block.blk_size == 512"), 1);
  assert.ok(count('vhost_user.ring == 1 && vhost_user.descriptor.name == "kick.1"') > 0);
  assert.ok(count("vhost_user.rtt < 0.1") > 0);
  assert.equal(count("_ws.malformed || _ws.lua.error"), 0);
});

test("violations, late replies, actions and crashes are expert information", { skip }, (t) => {
  const tshark = new Tshark(t, (writer) => {
    const session = new SessionDecoder({ session: 7 });
    const ask = { request: 24, flags: 1, size: 12 };
    const message = { from: "front-end", channel: "front-end", header: ask } as const;
    const event = session.message(5, { ...message, payload: new Uint8Array(12), objects: [] });
    writer.event(event, session.state);
    const about = { session: 7, number: 1, from: "front-end", channel: "front-end" } as const;
    writer.event({ type: "action", us: 6, ...about, action: "dropped" }, session.state);
    for (const late of session.late(2_000_000, 1000)) writer.event(late, session.state);
    const ending = { by: "back-end", how: "crashed", reason: "was ended by SIGSEGV" } as const;
    writer.event(session.closed(2_000_001, ending), session.state);
  });
  const frames = tshark.frames("-Y", "_ws.expert");
  assert.equal(frames.length, 4);
  const messages = frames.map((frame) => frame.get("_ws.expert.message")?.[0] ?? "");
  assert.match(messages[0] ?? "", /needs VHOST_USER_PROTOCOL_F_CONFIG/);
  assert.deepEqual(messages.slice(1, 3), ["dropped", "no reply yet"]);
  assert.deepEqual(frames[1]?.get("vhost_user.about"), ["1"]);
  assert.deepEqual(frames[2]?.get("vhost_user.waited"), ["1.999995000"]);
  assert.deepEqual(frames[3]?.get("vhost_user.ending"), ["crashed"]);
  assert.match(tshark.run("-q", "-z", "expert"), /Errors \(1\)[\s\S]*Warns \(\d\)/);
});

test(
  "tshark loads the installed dissector, and reads a live trace from a pipe",
  { skip },
  async (t) => {
    const home = temporaryDirectory(t);
    const us = [process.execPath, join(packageRoot, "bin/vhost-user.js")];
    const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home };
    const [node = "", ...command] = us;
    execFileSync(node, [...command, "wireshark", "--install"], { env, stdio: "ignore" });
    const run = us.map((word) => `'${word}'`).join(" ");
    const trace = [
      `${run} trace --pcapng -`,
      `--exec-back-end "${run} serve block --socket {socket} --size 1M"`,
      `--exec-front-end "${run} io block id {socket}"`,
    ].join(" ");
    const fields = "-T fields -e vhost_user.request -Y vhost_user.request";
    const text = execFileSync("sh", ["-c", `${trace} | tshark -r - ${fields}`], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    assert.match(text, /^GET_FEATURES\nGET_FEATURES\n/);
    assert.match(text, /^SET_VRING_KICK$/m);
  },
);
