import { fstatSync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { OwnedFd } from "../../../../../src/core/os/index.ts";
import { VirtioFeature } from "../../../../../src/core/protocol/index.ts";
import { blockKind } from "../../../../../src/endpoints/devices/block/kind.ts";
import { GuestView } from "../../../../../src/lab/rings/guest-view.ts";
import { SessionRings } from "../../../../../src/lab/rings/session-rings.ts";
import { type RingEvent, TracedSession } from "../../../../../src/lab/trace/index.ts";
import { closeSync } from "node:fs";
import { temporaryFolder } from "../../../support/folder.ts";

const GUEST = 0x4000_0000;
const USER = 0x7f00_0000_0000;
export const BYTES = 1 << 20;
/** Offsets of the parts of a ring, each in a page of its own. */
export const TABLE = 0x1000;
export const DRIVER = 0x2000;
export const DEVICE = 0x3000;
/** Where headers and data may be. */
export const DATA = 0x10_000;

export interface Entry {
  readonly at: number;
  readonly length: number;
  readonly flags?: number;
  readonly third?: number;
}

/** A guest's memory in a sparse file, with one ring that is followed; a test plays driver and device. */
export class WatchedGuest {
  readonly events: RingEvent[] = [];
  readonly rings: SessionRings;
  readonly view = new GuestView();
  readonly state = new TracedSession(blockKind);
  readonly #fd: number;
  #us = 0;

  constructor(t: TestContext, size: number, options: { packed?: boolean; features?: bigint } = {}) {
    const path = join(temporaryFolder(t), "memory");
    this.#fd = openSync(path, "w+");
    unlinkSync(path);
    ftruncateSync(this.#fd, BYTES);
    const object = { kind: "memfd", bytes: BYTES };
    const descriptor = { name: "mem0", object };
    const region = {
      name: "mem0",
      guestAddress: BigInt(GUEST),
      userAddress: BigInt(USER),
      size: BigInt(BYTES),
      mmapOffset: 0n,
      descriptor,
    };
    const { packed = false, features = 0n } = options;
    this.state.negotiation.features =
      VirtioFeature.Version1 | (packed ? VirtioFeature.RingPacked : 0n) | features;
    const ring = this.state.ring(0);
    if (ring === undefined) throw new Error("no ring");
    Object.assign(ring, {
      size,
      base: packed ? 0x8000_8000 : 0,
      started: true,
      addresses: {
        index: 0,
        flags: 0,
        descriptor: BigInt(USER + TABLE),
        available: BigInt(USER + DRIVER),
        used: BigInt(USER + DEVICE),
        log: 0n,
      },
    });
    using borrowed = OwnedFd.duplicateOf(this.#fd);
    this.view.update([region], [descriptor], [borrowed]);
    this.rings = new SessionRings(0, this.view, (event) => this.events.push(event));
    this.rings.update(this.state, 0);
    t.after(() => {
      this.rings.close(this.#us);
      this.view.close();
      closeSync(this.#fd);
    });
  }

  /** Blocks of the file that are allocated. */
  get blocks(): number {
    return fstatSync(this.#fd).blocks;
  }

  /** The events of one type. */
  of<T extends RingEvent["type"]>(type: T): Extract<RingEvent, { type: T }>[] {
    return this.events.filter(
      (each): each is Extract<RingEvent, { type: T }> => each.type === type,
    );
  }

  write(at: number, bytes: Uint8Array): void {
    writeSync(this.#fd, bytes, 0, bytes.length, at);
  }

  u16(at: number, value: number): void {
    this.write(at, Uint8Array.of(value & 0xff, (value >> 8) & 0xff));
  }

  u32(at: number, value: number): void {
    this.u16(at, value & 0xffff);
    this.u16(at + 2, value >>> 16);
  }

  /** Writes a descriptor of either format: flags and the other half-word are where `packed` has them. */
  descriptor(index: number, { at, length, flags = 0, third = 0 }: Entry, packed = false): void {
    const base = TABLE + 16 * index;
    this.u32(base, GUEST + at);
    this.u32(base + 4, 0);
    this.u32(base + 8, length);
    this.u16(base + (packed ? 14 : 12), flags);
    this.u16(base + (packed ? 12 : 14), third);
  }

  /** Writes the header of a block request. */
  header(at: number, type: number, sector: number): void {
    this.u32(at, type);
    this.u32(at + 8, sector);
  }

  truncate(bytes: number): void {
    ftruncateSync(this.#fd, bytes);
  }

  /** Lets time pass, and looks. */
  look(us = 100, budget = 256): number {
    this.#us += us;
    return this.rings.look(this.#us, budget);
  }

  /** Reports stalls of a second. */
  stalls(): void {
    this.rings.reportStalls(this.#us, 1_000_000);
  }
}
