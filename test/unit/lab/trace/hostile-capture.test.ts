import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ComparedTrace,
  describeDiff,
  describeEvent,
  describeSession,
  describeTotals,
  oneLine,
  StatePage,
  TraceReader,
  TraceSummary,
} from "../../../../src/lab/trace/index.ts";

const EVIL = "a\u001b[2J\nb\u009b\u202e";
const request = "010000000100000000000000";
const reply = "0100000005000000080000000000000000000000";

/** A capture in which every text that a peer or a recorder chooses would drive a terminal. */
function capture(evil: string): string {
  const chain = { chain: 0, head: 0, descriptors: 1, readable: 1, writable: 1, depth: 1 };
  const place = { us: 14, session: 0, ring: 0, queue: evil };
  return [
    { event: "opened", us: 0, session: 0, frontEnd: { pid: 1, program: evil }, backEnd: {} },
    { us: 12.5, from: "front-end", descriptors: [evil], hex: request },
    { us: 13.75, from: "back-end", descriptors: [], hex: reply },
    { event: "chain-available", ...place, ...chain, text: evil },
    { event: "chains-missed", ...place, chains: 1, reason: evil },
    { event: "ring-stalled", ...place, chains: 1, waitedUs: 1, reason: evil },
    { event: "ring-view", ...place, state: "followed", reason: evil },
    { event: "action", us: 14, session: 0, number: 1, action: evil },
    { event: "closed", us: 15, session: 0, how: "closed", reason: evil },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
}

test("text of a peer or of a capture neither ends a line nor drives a terminal", () => {
  const [page, summary] = [new StatePage(), new TraceSummary()];
  const [mine, other] = [new ComparedTrace([]), new ComparedTrace([])];
  const lines: string[] = [];
  for (const { event, state } of new TraceReader().read(capture(EVIL))) {
    page.event(event, state);
    summary.event(event);
    mine.event(event);
    lines.push(...describeEvent(event, (part, text) => `<${part}>${text}`));
  }
  for (const { event } of new TraceReader().read(capture("file"))) other.event(event);
  lines.push(...page.sessions(15).flatMap(describeSession));
  lines.push(...describeTotals(summary.totals), ...describeDiff(mine.compare(other)));
  assert.deepEqual(
    lines.filter((line) => /[\p{Cc}\u202e]/u.test(line)),
    [],
  );
  assert.ok(lines.filter((line) => line.includes("a\\x1b[2J\\x0ab\\x9b\\u202e")).length >= 9);
});

test("ordinary text is printed as it is", () => {
  assert.equal(oneLine("qemu-system-x86_64 «café» 日本語"), "qemu-system-x86_64 «café» 日本語");
});

test("times that are not whole microseconds are counted", () => {
  const summary = new TraceSummary();
  for (const { event } of new TraceReader().read(capture("file"))) summary.event(event);
  assert.equal(summary.totals.roundTripsUs?.count, 1);
});
