import { CaseFailure } from "../../../engine/index.ts";
import type { Target } from "../../targets/target.ts";
import type { Findings } from "../findings.ts";
import type { Facts } from "./facts.ts";
import type { Effect, KitRequest, RequestKit } from "./kit.ts";
import { POISON, type SuiteMemory } from "./memory.ts";
import type { Ring } from "./ring.ts";
import type { RunningDevice } from "./running-device.ts";

/** The part of a check's context that {@link KnownContent} uses. */
export interface ContentPorts extends Pick<Findings, "expectThat" | "observe"> {
  readonly target: Target;
  readonly facts: Facts;
  readonly random: () => number;
  /**
   * True if requests of this device type only prove that a chain was used, and nothing about its
   * data.
   */
  isBlind: boolean;
  bringUp(): Promise<RunningDevice>;
  /** @throws {CaseFailure} the answer is wrong */
  request(ring: Ring, memory: SuiteMemory, request: KitRequest): Promise<void>;
}

/** Places that the suite fills; a device may have fewer. */
const PLACES = 16;

/**
 * The content of the device that the suite writes before its checks and that every reading request
 * compares: this finds a device that reports success and moves no data, whatever its disk holds.
 */
export class KnownContent {
  #content: Uint8Array | undefined;
  /** The earlier content of the device at each place; empty if nothing was written. */
  #before: readonly Uint8Array[] = [];
  #process: number | undefined;
  /** True if the process is the one that was written to: another one may have lost everything. */
  #isSame = false;

  /** True if requests can be compared. */
  get isKnown(): boolean {
    return this.#content !== undefined && this.#isSame;
  }

  /** A session begins with this process, undefined if it is not visible. */
  meets(process: number | undefined): void {
    this.#isSame = process === this.#process;
  }

  /** The content may have been changed: {@link prepare} writes it again. */
  doubt(): void {
    this.#isSame = false;
  }

  /**
   * Writes random bytes, and reads them back. Of a read-only device, reads what it keeps.
   *
   * @throws {CaseFailure} a request fails, or other bytes are read; {@link CaseSkip} there is nothing to keep
   */
  async prepare(t: ContentPorts): Promise<void> {
    const { effect } = t.facts.kit ?? {};
    if (effect === undefined) return;
    this.#content = undefined;
    const device = await t.bringUp();
    const isReadOnly = (t.facts.virtio & (effect.readOnly ?? 0n)) !== 0n;
    const places = isReadOnly
      ? await readTwice(t, device, effect)
      : await this.#fill(t, device, effect);
    this.#content = Buffer.concat(places);
    this.#process = t.target.process?.pid;
    this.#isSame = true;
  }

  async #fill(t: ContentPorts, device: RunningDevice, effect: Effect): Promise<Uint8Array[]> {
    // What was there when the suite came is what it puts back, and not its own bytes.
    if (this.#before.length === 0) this.#before = await readPlaces(t, device, effect, PLACES);
    const places = this.#before.map((bytes) => bytes.map(() => t.random() * 256));
    await writePlaces(t, device, effect, places);
    const back = await readPlaces(t, device, effect, places.length);
    for (const [i, bytes] of places.entries()) {
      const same = Buffer.compare(bytes, back[i] ?? bytes) === 0;
      t.expectThat(`what was written to place ${i}`, same, "the same bytes", "other bytes");
    }
    return places;
  }

  /**
   * Puts back what the device kept before.
   *
   * @throws {CaseFailure}
   */
  async restore(t: ContentPorts): Promise<void> {
    const { effect } = t.facts.kit ?? {};
    if (effect === undefined || this.#before.length === 0) return;
    await writePlaces(t, await t.bringUp(), effect, this.#before);
    this.#before = [];
    this.#content = undefined;
  }

  /** Returns a kit whose requests are compared with the content. */
  comparing(kit: RequestKit, t: ContentPorts): RequestKit {
    const request: RequestKit["request"] = (memory, scale) => {
      const plain = kit.request(memory, scale);
      if (plain.content === undefined && plain.proves === undefined) t.isBlind = true;
      return { ...plain, wrong: (written) => this.#wrong(plain, written, t) };
    };
    return Object.assign(Object.create(kit) as RequestKit, { request });
  }

  #wrong(request: KitRequest, written: number, t: ContentPorts): string | undefined {
    const wrong = request.wrong(written);
    const { content, proves } = request;
    if (wrong !== undefined) return wrong;
    if (content === undefined) {
      if (proves === "data") t.observe("data");
      return undefined;
    }
    const { bytes } = content;
    if (bytes.every((byte) => byte === POISON)) return "no data, although the status is a success";
    const known = this.isKnown ? this.#content : undefined;
    if (known === undefined) return undefined;
    const length = Math.min(known.length, bytes.length);
    if (Buffer.compare(bytes.subarray(0, length), known.subarray(0, length)) !== 0)
      return "other bytes than were written there";
    t.observe("data");
    return undefined;
  }
}

/**
 * Reads the first places, as far as the device has them.
 *
 * @throws {CaseFailure} it has none
 */
async function readPlaces(
  t: ContentPorts,
  { ring, memory }: RunningDevice,
  effect: Effect,
  count: number,
): Promise<Uint8Array[]> {
  const places: Uint8Array[] = [];
  for (let place = 0; place < count; place += 1) {
    const release = memory.mark();
    const request = effect.read(memory, place);
    try {
      await t.request(ring, memory, request);
    } catch (error) {
      if (place === 0 || !(error instanceof CaseFailure)) throw error;
      break;
    }
    places.push(request.data.bytes.slice());
    release();
  }
  return places;
}

async function writePlaces(
  t: ContentPorts,
  { ring, memory }: RunningDevice,
  effect: Effect,
  places: readonly Uint8Array[],
): Promise<void> {
  for (const [place, bytes] of places.entries()) {
    const release = memory.mark();
    await t.request(ring, memory, effect.write(memory, bytes, place));
    release();
  }
}

/**
 * Reads into two kinds of bytes: where both are left, nothing was read.
 *
 * @throws {CaseFailure}
 */
async function readTwice(
  t: ContentPorts,
  { ring, memory }: RunningDevice,
  effect: Effect,
): Promise<Uint8Array[]> {
  const places: Uint8Array[] = [];
  for (const fill of [POISON, POISON ^ 0xff]) {
    const request = effect.read(memory);
    request.data.bytes.fill(fill);
    await t.request(ring, memory, request);
    places.push(request.data.bytes.slice());
  }
  const [first = new Uint8Array(), second = first] = places;
  const same = Buffer.compare(first, second) === 0;
  t.expectThat("the first place, read twice", same, "the same bytes", "other bytes");
  return [first];
}
