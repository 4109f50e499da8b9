import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { packageRoot } from "../../src/core/os/index.ts";
import {
  backendRequests,
  type Codec,
  type Direction,
  frontendRequests,
  HeaderFlag,
  type RequestSpec,
} from "../../src/core/protocol/index.ts";
import {
  type MessageEvent,
  SessionDecoder,
  shortName,
  TraceReader,
} from "../../src/lab/trace/index.ts";
import { fieldName, structureOf } from "../../src/lab/wireshark/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { type Vector, vectors } from "../unit/core/protocol/vectors.ts";
import { needsProgram, temporaryDirectory } from "./support/index.ts";
import { type FrameFields, Tshark } from "./support/tshark.ts";

guardLeaks();

const skip = needsProgram("tshark");

interface Expected {
  readonly what: string;
  readonly event: MessageEvent;
  readonly codec: Codec<unknown>;
  readonly vector: Vector;
}

/** Every request of both directions with every golden vector, and every form of its reply. */
function exchanges(): Expected[] {
  const decoder = new SessionDecoder({ session: 0 });
  const of = (codec: Codec<unknown>): readonly Vector[] => vectors.filter((v) => v.codec === codec);
  const list: Expected[] = [];
  const pass = (channel: Direction, spec: RequestSpec, isReply: boolean, vector: Vector): void => {
    const other = channel === "front-end" ? "back-end" : "front-end";
    const flags = HeaderFlag.Version | (isReply ? HeaderFlag.Reply : HeaderFlag.NeedReply);
    const header = { request: spec.number, flags, size: vector.bytes.length };
    const from = isReply ? other : channel;
    const message = { from, channel, header, payload: vector.bytes, objects: [] } as const;
    const event = decoder.message(list.length, message);
    const what = `${spec.name}${isReply ? " reply" : ""}: ${vector.title}`;
    list.push({ what, event, codec: vector.codec, vector });
  };
  for (const [channel, table] of [
    ["front-end", frontendRequests],
    ["back-end", backendRequests],
  ] as const) {
    for (const spec of Object.values<RequestSpec>(table)) {
      const { codec, special } = spec.reply;
      const specials = special === undefined ? [] : of(special.codec);
      // Eight bytes are an acknowledgement or an empty table: nothing shows which.
      const answers = [
        ...of(codec),
        ...specials.filter(({ bytes }) => bytes.length !== codec.minSize),
      ];
      for (const question of of(spec.payload)) {
        for (const answer of answers) {
          pass(channel, spec, false, question);
          pass(channel, spec, true, answer);
        }
      }
    }
  }
  return list;
}

/** The values that Wireshark has to show of a decoded payload. */
function expectedFields(codec: Codec<unknown>, value: unknown): Map<string, string[]> {
  const { prefix } = structureOf(codec);
  const found = new Map<string, string[]>();
  const add = (key: string, text: string): void => {
    found.set(`vhost_user.${key}`, [...(found.get(`vhost_user.${key}`) ?? []), text]);
  };
  const walk = (start: string, name: string, each: unknown): void => {
    const key = `${start}.${fieldName(name)}`;
    if (each instanceof Uint8Array) {
      // Keys stay out: only their size is shown.
      if (/key$/i.test(name)) add(`${key}_size`, String(each.length));
      else if (each.length > 0) add(key, Buffer.from(each).toString("hex"));
    } else if (Array.isArray(each)) {
      for (const element of each) {
        if (typeof element === "object") walkObject(name === "regions" ? "region" : key, element);
        else if (element !== 0n) add("shmem_region.size", String(element));
      }
    } else if (typeof each === "object" && each !== null) {
      const inner = name === "parameters" ? start : name === "region" ? "region" : key;
      walkObject(inner, each);
    } else if (name !== "kind" && name !== "short") {
      add(key, String(typeof each === "boolean" ? Number(each) : each));
    }
  };
  const walkObject = (start: string, object: object): void => {
    for (const [name, each] of Object.entries(object)) walk(start, name, each);
  };
  if (typeof value === "bigint") {
    const [part] = structureOf(codec).forms[0]?.parts ?? [];
    if (part?.show !== "mac") add(`${prefix}.${part?.name}`, String(value));
  } else if (value instanceof Uint8Array) {
    if (value.length > 0) add(`${prefix}.body`, Buffer.from(value).toString("hex"));
  } else if (typeof value === "object" && value !== null) {
    walkObject(prefix, value);
    // In the form of 632 bytes the operation is implied.
    if ("short" in value) found.delete(`vhost_user.${prefix}.op_code`);
  }
  return found;
}

/** A value as tshark prints it, as the number or the digits that it is. */
function plain(text: string): string {
  if (/^0x[\da-f]+$/i.test(text)) return String(BigInt(text));
  if (text === "True") return "1";
  if (text === "False") return "0";
  return text.replaceAll(/[:-]/g, (sign, at: number) => (at === 0 ? sign : ""));
}

test("tshark decodes every request of both directions as the codecs do", { skip }, (t) => {
  const expected = exchanges();
  const requests = [...Object.values(frontendRequests), ...Object.values(backendRequests)];
  const names = new Set(expected.map(({ event }) => event.request));
  assert.deepEqual(
    [...names],
    requests.map(({ name }) => name),
  );
  const state = new SessionDecoder({ session: 0 }).state;
  const tshark = new Tshark(t, (writer) => {
    for (const { event } of expected) writer.event(event, state);
  });
  const frames = tshark.frames();
  assert.equal(frames.length, expected.length);
  for (const [at, { what, event, codec, vector }] of expected.entries()) {
    const frame = frames[at] as FrameFields;
    const shown = (key: string): string[] => (frame.get(key) ?? []).map(plain);
    assert.deepEqual(frame.get("vhost_user.request"), [shortName(event.request)], what);
    assert.deepEqual(shown("vhost_user.number"), [String(event.number)], what);
    const link = event.isReply ? "vhost_user.response_to" : "vhost_user.response_in";
    assert.deepEqual(shown(link), [String(event.isReply ? at : at + 2)], what);
    // What a reply of SET_LOG_BASE has in it is left open, so an acknowledgement is one as well.
    if (event.isReply && event.fields?.["body"] !== undefined) {
      assert.deepEqual(shown("vhost_user.opaque_payload.body"), [event.fields["body"]], what);
      continue;
    }
    for (const [key, values] of expectedFields(codec, vector.value)) {
      assert.deepEqual(shown(key), values, `${what}: ${key}`);
    }
    assert.deepEqual(shown("_ws.lua.error"), [], what);
  }
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
