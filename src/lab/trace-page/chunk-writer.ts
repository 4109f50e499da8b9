import { deflateRawSync } from "node:zlib";
import { NumberWriter } from "./bytes.ts";
import { type ChunkHead, FAILED, type PageChunk, RowKind, type StateChange } from "./head.ts";
import { splitText } from "./template.ts";

/** A row of the page. */
export interface PageRow {
  readonly us: number;
  readonly lane: number;
  readonly session: number;
  readonly kind: number;
  readonly failed: boolean;
  /** Of a reply and of a used chain, how many rows before this one its request is; else 0. */
  readonly value: number;
  /** Number of a message. */
  readonly number: number;
  readonly text: string;
}

/** Encodes the rows of a chunk: what they have in common once, and of numbers the differences. */
export class ChunkWriter {
  readonly #first: number;
  readonly #begin: Pick<ChunkHead, "states" | "rings">;
  readonly #numbers = new NumberWriter();
  readonly #templates = new Map<string, number>();
  readonly #before: number[][] = [];
  readonly #changes: StateChange[] = [];
  readonly #messages = new Map<number, [number, number]>();
  #rows = 0;
  #failures = 0;
  #firstUs = 0;
  #us = 0;
  #number = 0;

  /** @param first number of its first row */
  constructor(first: number, begin: Pick<ChunkHead, "states" | "rings">) {
    this.#first = first;
    this.#begin = begin;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Adds a row, and the change of a state at it. */
  add(row: PageRow, change: StateChange | undefined): void {
    const { us, lane, kind, failed, value, number, text } = row;
    if (this.#rows === 0) this.#firstUs = us;
    const numbers = this.#numbers;
    numbers.signed(us - this.#us);
    numbers.unsigned(lane);
    numbers.unsigned(kind + (failed ? FAILED : 0));
    numbers.unsigned(value);
    if (kind === RowKind.Message) this.#message(row.session, number);
    this.#text(text);
    if (change !== undefined) this.#changes.push(change);
    this.#us = us;
    this.#rows += 1;
    if (failed) this.#failures += 1;
  }

  /** Returns the rows, compressed, as text for a page. */
  get data(): string {
    const head: ChunkHead = {
      templates: [...this.#templates.keys()],
      ...this.#begin,
      changes: this.#changes,
    };
    const json = Buffer.from(JSON.stringify(head));
    const size = Buffer.alloc(4);
    size.writeUInt32LE(json.length, 0);
    return deflateRawSync(Buffer.concat([size, json, this.#numbers.take()])).toString("base64");
  }

  /** Returns the chunk for the page's head. */
  get entry(): PageChunk {
    return {
      row: this.#first,
      firstUs: this.#firstUs,
      lastUs: this.#us,
      failures: this.#failures,
      messages: [...this.#messages].map(([session, [low, high]]) => [session, low, high]),
    };
  }

  #message(session: number, number: number): void {
    this.#numbers.signed(number - this.#number);
    this.#number = number;
    const range = this.#messages.get(session);
    if (range === undefined) this.#messages.set(session, [number, number]);
    else this.#messages.set(session, [Math.min(range[0], number), Math.max(range[1], number)]);
  }

  #text(text: string): void {
    const { template, numbers } = splitText(text);
    const known = this.#templates.get(template);
    const index = known ?? this.#templates.size;
    if (known === undefined) this.#templates.set(template, index);
    this.#numbers.unsigned(index);
    const before = this.#before[index] ?? [];
    for (const [i, value] of numbers.entries()) this.#numbers.signed(value - (before[i] ?? 0));
    this.#before[index] = [...numbers];
  }
}
