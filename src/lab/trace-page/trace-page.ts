import {
  describeEvent,
  isRingEvent,
  parseFilter,
  type TraceConsumer,
  type TracedSession,
  type TraceEvent,
} from "../trace/index.ts";
import { Bins } from "./bins.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { type PageChunk, type PageFailure, RowKind } from "./head.ts";
import { Lanes } from "./lanes.ts";
import { pageParts, type TracePageEnd } from "./page.ts";
import { RingStates } from "./ring-states.ts";
import { SetUp } from "./set-up.ts";

/** Rows of a chunk: the browser decodes one within a few milliseconds. */
const CHUNK_ROWS = 4096;
/** Rows of a page; what follows is counted. They take about 40 MB. */
const MAX_ROWS = 4_000_000;
/** Failures that the top of the page lists. */
const MAX_FAILURES = 200;
/** Characters of a row: a message of the largest payload has a million. */
const MAX_TEXT = 4000;
/** Requests that replies are linked to. */
const MAX_REQUESTS = 4096;
const LATEST_US = 1e15;

/**
 * Makes one HTML page of a trace: the failures, a timeline of sockets and rings, every event, and the
 * state of the session at each of them. It loads nothing.
 *
 * @example
 * ```ts
 * import { appendFileSync, readFileSync } from "node:fs";
 * import { TracePage, TraceReader } from "vhost-user/testing";
 *
 * const capture = '{"us":12,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}\n';
 * const page = new TracePage();
 * for (const { event, state } of new TraceReader().read(capture)) page.event(event, state);
 * for (const part of page.parts({ name: "one message" })) appendFileSync("session.html", part);
 * console.log(readFileSync("session.html", "utf8").includes("one message")); // true
 * ```
 */
export class TracePage implements TraceConsumer {
  readonly #isError = parseFilter("error");
  readonly #lanes = new Lanes();
  readonly #bins = new Bins();
  readonly #setUp = new SetUp();
  readonly #rings = new RingStates();
  readonly #chunks: PageChunk[] = [];
  readonly #data: string[] = [];
  readonly #failures: PageFailure[] = [];
  readonly #requests = new Map<string, number>();
  #chunk = new ChunkWriter(0, { states: [], rings: [] });
  #rows = 0;
  #messages = 0;
  #failureCount = 0;
  #leftOut = 0;
  #endUs = 0;

  event(event: TraceEvent, state: TracedSession): void {
    if (this.#rows >= MAX_ROWS) {
      this.#leftOut += 1;
      return;
    }
    const row = this.#rows;
    const us = Math.min(LATEST_US, Math.max(0, Math.round(event.us)));
    const lane = this.#lanes.of(event);
    const failed = this.#isError(event);
    const [kind, value] = this.#place(event, lane, row);
    const text = textOf(event);
    const number = event.type === "message" ? event.number : 0;
    const change = this.#setUp.change(event, state, row);
    const { session } = event;
    this.#chunk.add({ us, lane, session, kind, failed, value, number, text }, change);
    this.#bins.add(lane, us, failed);
    this.#rows += 1;
    this.#endUs = Math.max(this.#endUs, us);
    if (failed) this.#fail({ row, us, text });
    if (this.#chunk.rows === CHUNK_ROWS) this.#endChunk();
  }

  /** Returns the page in parts, which are written one behind the other. Takes no further events. */
  parts(end: TracePageEnd): Iterable<string> {
    if (this.#chunk.rows > 0) this.#endChunk();
    return pageParts({
      ...end,
      head: {
        rows: this.#rows,
        endUs: this.#endUs,
        lanes: this.#lanes.all,
        chunks: this.#chunks,
        bins: this.#bins.bins,
      },
      messages: this.#messages,
      failures: this.#failures,
      failureCount: this.#failureCount,
      leftOut: this.#leftOut,
      data: this.#data,
    });
  }

  #place(event: TraceEvent, lane: number, row: number): readonly [kind: number, value: number] {
    if (isRingEvent(event)) return this.#rings.apply(lane, event, row);
    if (event.type !== "message") return [RowKind.Other, 0];
    this.#messages += 1;
    const { session, number, answers } = event;
    const request = answers && this.#requests.get(`${session} ${answers.to}`);
    if (!event.isReply) {
      this.#requests.set(`${session} ${number}`, row);
      const [oldest] = this.#requests.keys();
      if (this.#requests.size > MAX_REQUESTS && oldest !== undefined) this.#requests.delete(oldest);
    }
    return [RowKind.Message, request === undefined ? 0 : row - request];
  }

  #fail(failure: PageFailure): void {
    this.#failureCount += 1;
    if (this.#failures.length < MAX_FAILURES) this.#failures.push(failure);
  }

  #endChunk(): void {
    this.#data.push(this.#chunk.data);
    this.#chunks.push(this.#chunk.entry);
    const { states } = this.#setUp;
    this.#chunk = new ChunkWriter(this.#rows, { states, rings: this.#rings.states });
  }
}

/** The lines of an event in one, without its time. */
function textOf(event: TraceEvent): string {
  const [first = "", ...rest] = describeEvent(event);
  const text = [first.slice(first.indexOf("#")), ...rest.map((line) => line.trim())].join(" ");
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
