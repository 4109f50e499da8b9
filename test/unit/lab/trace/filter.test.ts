import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ClosedEvent,
  type EventFilter,
  filterHelp,
  type MessageEvent,
  parseFilter,
  type TraceEvent,
} from "../../../../src/lab/trace/index.ts";

function message(change: Partial<MessageEvent>): MessageEvent {
  return {
    type: "message",
    us: 0,
    session: 0,
    number: 1,
    from: "front-end",
    channel: "front-end",
    header: { request: 1, flags: 1, size: 0 },
    payload: new Uint8Array(),
    request: "VHOST_USER_GET_FEATURES",
    isReply: false,
    descriptors: [],
    fields: {},
    text: "",
    violations: [],
    ...change,
  };
}

const reply = (us: number, change: Partial<MessageEvent> = {}): MessageEvent =>
  message({ isReply: true, from: "back-end", answers: { to: 1, us }, ...change });
const kick = (ring: number, session = 0): MessageEvent =>
  message({ request: "VHOST_USER_SET_VRING_KICK", ring, session });
const closed = (how: ClosedEvent["how"]): ClosedEvent => ({
  type: "closed",
  us: 0,
  session: 0,
  how,
  reason: "",
  messages: 0,
  unanswered: [],
});

const cases: readonly (readonly [filter: string, event: TraceEvent, matches: boolean])[] = [
  ["GET_FEATURES", message({}), true],
  ["get_features", message({}), true],
  ["VHOST_USER_GET_FEATURES", message({}), true],
  ["GET_F*", message({}), true],
  ["GET_FEATURE?", message({}), true],
  ["SET_VRING_*", kick(0), true],
  ["SET_VRING_*", message({}), false],
  ["ring=1", kick(1), true],
  ["ring=1", kick(0), false],
  ["ring=0..2", kick(2), true],
  ["ring=0..2", kick(3), false],
  ["ring=0", message({}), false],
  ["session=1..2", kick(0, 2), true],
  ["session=1..2", kick(0, 0), false],
  ["session=0", closed("closed"), true],
  ["from=back-end", reply(1), true],
  ["from=back-end", message({}), false],
  ["channel=back-end", message({ channel: "back-end" }), true],
  ["request", message({}), true],
  ["request", reply(1), false],
  ["reply", reply(1), true],
  ["reply", closed("closed"), false],
  ["slower=10ms", reply(10_001), true],
  ["slower=10ms", reply(10_000), false],
  ["slower=1.5s", reply(1_500_001), true],
  ["slower=10us", message({}), false],
  ["error", message({}), false],
  ["error", message({ violations: [{ rule: "a rule", section: "Header" }] }), true],
  ["error", reply(1, { fields: { ack: "1", ok: false } }), true],
  ["error", reply(1, { fields: { ack: "0", ok: true } }), false],
  ["error", reply(1, { fields: { refused: true } }), true],
  ["error", closed("crashed"), true],
  ["error", closed("closed"), false],
  ["! GET_FEATURES", kick(0), true],
  ["! ! GET_FEATURES", kick(0), false],
  ["SET_VRING_KICK & ring=0", kick(0), true],
  ["SET_VRING_KICK & ring=0", kick(1), false],
  ["SET_VRING_KICK ring=0", kick(1), false],
  ["GET_FEATURES | ring=1", kick(1), true],
  // & binds more tightly than |.
  ["GET_FEATURES | SET_VRING_KICK & ring=0", message({}), true],
  ["(GET_FEATURES | SET_VRING_KICK) & ring=0", message({}), false],
  ["!(GET_FEATURES|ring=0)", kick(0), false],
  ["!(GET_FEATURES|ring=0)", kick(1), true],
];

for (const [text, event, matches] of cases) {
  const what = event.type === "message" ? `${event.request} ${event.ring ?? ""}` : event.type;
  test(`${text} ${matches ? "chooses" : "leaves out"} ${what.trim()}`, () => {
    const filter: EventFilter = parseFilter(text);
    assert.equal(filter(event), matches);
  });
}

const wrong: readonly (readonly [filter: string, column: number, says: RegExp])[] = [
  ["", 1, /the filter is empty/],
  ["GET_FEATURES &", 15, /a word is missing at the end/],
  ["GET_FEATURES & | reply", 16, /a word is missing before "\|"/],
  ["(reply", 1, /this parenthesis is not closed/],
  ["reply)", 6, /"\)" has no opening parenthesis/],
  ["reply & GET_NOTHING", 9, /no request is called GET_NOTHING/],
  ["SET_VRING_KICKS", 1, /no request is called SET_VRING_KICKS; close ones: SET_VRING_KICK/],
  ["ring=x", 1, /ring must be a number or a range such as 0\.\.3/],
  ["ring=3..1", 1, /ring=3\.\.1 is empty/],
  ["from=guest", 1, /from must be front-end or back-end/],
  ["slower=10", 1, /slower must be a duration such as 10ms/],
  ["reply & what-is-this", 9, /"what-is-this" is not a word of filters/],
  ["(".repeat(101) + "reply" + ")".repeat(101), 101, /too many parentheses/],
];

for (const [text, column, says] of wrong) {
  test(`${text.slice(0, 30)}: the error names column ${column}`, () => {
    assert.throws(
      () => parseFilter(text),
      ({ message: said }: Error) => {
        assert.match(said, says);
        const [first = "", shown = "", mark = ""] = said.split("\n");
        assert.ok(first.startsWith(`column ${column}: `), first);
        assert.equal(shown, `  ${text}`);
        assert.equal(mark.length, column + 2);
        return true;
      },
    );
  });
}

test("every word of the help page is understood", () => {
  const examples = /Examples:\n([^]*)$/.exec(filterHelp())?.[1]?.split("\n") ?? [];
  assert.ok(examples.length >= 3);
  for (const example of examples) parseFilter(example);
});
