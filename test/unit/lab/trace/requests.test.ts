import assert from "node:assert/strict";
import { test } from "node:test";
import {
  backendRequests,
  type Codec,
  type Direction,
  frontendRequests,
  HeaderFlag,
  type RequestSpec,
} from "../../../../src/core/protocol/index.ts";
import {
  describeEvent,
  eventAsJson,
  type MessageEvent,
  SessionDecoder,
  shortName,
} from "../../../../src/lab/trace/index.ts";
import { type Vector, vectors } from "../../core/protocol/vectors.ts";

const tables: readonly (readonly [Direction, readonly RequestSpec[]])[] = [
  ["front-end", Object.values(frontendRequests)],
  ["back-end", Object.values(backendRequests)],
];

function vectorsOf(codec: Codec<unknown>): readonly Vector[] {
  const found = vectors.filter((each) => each.codec === codec);
  assert.ok(found.length > 0, `no vector for ${codec.name}`);
  return found;
}

/** The events of a request and of the reply to it. */
function exchange(
  channel: Direction,
  spec: RequestSpec,
  question: Uint8Array,
  answer: Uint8Array,
): [MessageEvent, MessageEvent] {
  const decoder = new SessionDecoder({ session: 3 });
  const other = channel === "front-end" ? "back-end" : "front-end";
  const pass = (from: Direction, payload: Uint8Array, flags: number): MessageEvent => {
    const header = { request: spec.number, flags, size: payload.length };
    return decoder.message(0, { from, channel, header, payload, objects: [] });
  };
  const request = pass(channel, question, HeaderFlag.Version | HeaderFlag.NeedReply);
  return [request, pass(other, answer, HeaderFlag.Version | HeaderFlag.Reply)];
}

/** A message is readable for people and for programs. */
function assertReadable(event: MessageEvent, { value, bytes }: Vector): void {
  const [line = ""] = describeEvent(event);
  assert.ok(line.includes(` ${shortName(event.request)}`), line);
  assert.doesNotMatch(line, /undecodable|unknown|payload=/);
  assert.ok(event.fields, `${event.request} has no fields`);
  const names = Object.keys(event.fields);
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const name of Object.keys(value)) assert.ok(names.includes(name), `no field ${name}`);
  } else if (bytes.length > 0) assert.notDeepEqual(names, []);
  const json = JSON.parse(eventAsJson(event)) as Record<string, unknown>;
  assert.equal(json["request"], event.request);
  assert.deepEqual(json["fields"], event.fields);
  assert.ok(String(json["hex"]).endsWith(Buffer.from(bytes).toString("hex")));
}

for (const [channel, specs] of tables) {
  for (const spec of specs) {
    test(`${spec.name} and its reply are readable in text and in JSON`, () => {
      const { codec, special } = spec.reply;
      const specials = special === undefined ? [] : vectorsOf(special.codec);
      // Eight bytes are an acknowledgement or an empty table: nothing shows which.
      const clear = specials.filter(({ bytes }) => bytes.length !== codec.minSize);
      const answers = [...vectorsOf(codec), ...clear];
      for (const question of vectorsOf(spec.payload)) {
        for (const answer of answers) {
          const [request, reply] = exchange(channel, spec, question.bytes, answer.bytes);
          assertReadable(request, question);
          assert.equal(reply.answers?.to, 1);
          // What a reply of SET_LOG_BASE has in it is left open, so an acknowledgement is one as well.
          if (reply.fields?.["body"] === undefined) assertReadable(reply, answer);
        }
      }
    });

    test(`descriptors of ${spec.name} have a name`, () => {
      const most = Math.max(
        spec.descriptors.max,
        spec.reply.descriptors.max,
        spec.reply.special?.descriptors.max ?? 0,
      );
      assert.equal(spec.carries !== undefined, most > 0);
    });
  }
}
