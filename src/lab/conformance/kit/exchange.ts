import { counted } from "../../../core/base/index.ts";
import {
  describeMessage,
  type DeviceType,
  type Direction,
  type Header,
} from "../../../core/protocol/index.ts";
import type { Observation } from "../../engine/index.ts";
import { DECIDING } from "../../results/index.ts";

/** Lines that are kept of a check's beginning and end; the middle of a long exchange is dropped. */
const HEAD_LINES = 150;
const TAIL_LINES = 150;

/** Matches lines about actions of the suite: no finding is about those alone. */
const OWN_DOING = /^ *[\d.]+ ms {2}(?:\S+ > |\S+ · (?:connected|the suite closes)$|·· · )/;

/** Returns what is observed as the target sends a message in this direction. */
export type Hears = (direction: Direction, header: Header) => readonly Observation[];

/** The messages and events of one check, decoded, one line each. */
export class Exchange {
  readonly #start = performance.now();
  readonly #head: string[] = [];
  readonly #tail: string[] = [];
  #dropped = 0;
  #device: DeviceType | undefined;
  readonly #hears: Hears;
  /** Number of nested set-ups that are active. */
  #settingUp = 0;
  /** The observations of the target, without those of set-ups. */
  readonly observed = new Set<Observation>();

  /** @param hears what a message of the target shows; default: it is a reply */
  constructor(device?: DeviceType, hears: Hears = () => ["reply"]) {
    this.#device = device;
    this.#hears = hears;
  }

  /** Records an observation, outside of set-ups. */
  observe(what: Observation): void {
    if (this.#settingUp === 0) this.observed.add(what);
  }

  /** Runs a set-up: what is observed during it is not what a check is about. */
  async settingUp<T>(work: () => Promise<T>): Promise<T> {
    this.#settingUp += 1;
    try {
      return await work();
    } finally {
      this.#settingUp -= 1;
    }
  }

  /**
   * A message.
   *
   * @param way `>` from the suite, `<` from the target
   */
  message(
    session: string,
    way: ">" | "<",
    header: Header,
    payload: Uint8Array,
    fds: number,
    direction: Direction = "front-end",
  ): void {
    const device = this.#device;
    if (way === "<") for (const each of this.#hears(direction, header)) this.observe(each);
    const shape = { direction, header, payload, descriptors: fds, device };
    this.#add(`${session} ${way} ${describeMessage(shape)}`);
  }

  /** Anything else that happened. */
  note(session: string, text: string): void {
    this.#add(`${session} · ${text}`);
  }

  /** Marks the last thing that the target did: a finding is about it. */
  markDeciding(): void {
    const lines = this.#tail.length > 0 ? this.#tail : this.#head;
    const at = lines.findLastIndex((line) => !OWN_DOING.test(line));
    const line = lines[at] ?? DECIDING;
    if (!line.endsWith(DECIDING)) lines[at] = line + DECIDING;
  }

  /** Returns the current position, for {@link fold}. */
  mark(): number {
    return this.#head.length;
  }

  /** Replaces all lines since `mark`, which had no finding, by one line. */
  fold(mark: number, text: string): void {
    if (this.#tail.length === 0) this.#head.length = mark;
    this.note("··", text);
  }

  get lines(): readonly string[] {
    if (this.#dropped === 0) return [...this.#head, ...this.#tail];
    return [...this.#head, `… ${counted(this.#dropped, "line")} left out …`, ...this.#tail];
  }

  #add(text: string): void {
    const line = `${(performance.now() - this.#start).toFixed(1).padStart(8)} ms  ${text}`;
    if (this.#head.length < HEAD_LINES) {
      this.#head.push(line);
      return;
    }
    this.#tail.push(line);
    if (this.#tail.length <= TAIL_LINES) return;
    this.#tail.shift();
    this.#dropped += 1;
  }
}
