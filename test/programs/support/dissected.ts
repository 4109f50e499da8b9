import assert from "node:assert/strict";
import {
  backendRequests,
  type Codec,
  type Direction,
  frontendRequests,
  HeaderFlag,
  type RequestSpec,
} from "../../../src/core/protocol/index.ts";
import { type MessageEvent, SessionDecoder, shortName } from "../../../src/lab/trace/index.ts";
import { fieldName, structureOf } from "../../../src/lab/wireshark/index.ts";
import { type Vector, vectors } from "../../unit/core/protocol/vectors.ts";
import type { FrameFields } from "./tshark.ts";

export interface Expected {
  readonly what: string;
  readonly event: MessageEvent;
  readonly codec: Codec<unknown>;
  readonly vector: Vector;
}

/** Every request of both directions with every golden vector, and every form of its reply. */
export function exchanges(): Expected[] {
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

/** Asserts that Wireshark shows every exchange as the codecs decode it. */
export function assertDissected(
  frames: readonly FrameFields[],
  expected: readonly Expected[],
): void {
  const requests = [...Object.values(frontendRequests), ...Object.values(backendRequests)];
  const names = new Set(expected.map(({ event }) => event.request));
  assert.deepEqual(
    [...names],
    requests.map(({ name }) => name),
  );
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
}
