import { asError, counted } from "../../../../core/base/index.ts";
import { Mapping, type OwnedFd, SharedMemory } from "../../../../core/os/index.ts";
import { FrontendRequest, type Inflight } from "../../../../core/protocol/index.ts";
import { CaseFailure } from "../../../engine/index.ts";
import type { Findings, Resources } from "../findings.ts";
import { viewOf } from "./descriptors.ts";
import type { Session } from "./session.ts";

const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
const STRIDE = 64;
/** A description without the tail padding of the C structure. */
const SHORT_BYTES = 20;

/** Returns the size of one split ring's part of a region, as all implementations compute it. */
export function inflightBytes(size: number): number {
  return Math.ceil((HEADER_BYTES + ENTRY_BYTES * size) / STRIDE) * STRIDE;
}

/** One split ring's part of an in-flight region. */
export class InflightNotes {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = viewOf(bytes);
  }

  get version(): number {
    return this.#view.getUint16(8, true);
  }

  get entries(): number {
    return this.#view.getUint16(10, true);
  }

  get usedIdx(): number {
    return this.#view.getUint16(14, true);
  }

  /** Returns whether a head is marked as in flight. */
  has(head: number): boolean {
    return this.#view.getUint8(HEADER_BYTES + ENTRY_BYTES * head) !== 0;
  }

  /** Returns the heads below `size` that are marked as in flight. */
  heads(size: number): number[] {
    return Array.from({ length: size }, (_, head) => head).filter((head) => this.has(head));
  }

  /** Writes the state that a back-end would leave. */
  begin(size: number, { usedIdx = 0, lastBatchHead = 0 } = {}): void {
    this.#view.setUint16(8, 1, true);
    this.#view.setUint16(10, size, true);
    this.#view.setUint16(12, lastBatchHead, true);
    this.#view.setUint16(14, usedIdx, true);
  }

  /** @param next head of the batch that completed before this one */
  note(head: number, { counter = 0n, next = 0 } = {}): void {
    const at = HEADER_BYTES + ENTRY_BYTES * head;
    this.#view.setUint8(at, 1);
    this.#view.setUint16(at + 6, next, true);
    this.#view.setBigUint64(at + 8, counter, true);
  }
}

/** A region that this process has mapped too. */
export interface InflightHeld {
  readonly description: Inflight;
  readonly fd: OwnedFd;
  readonly notes: InflightNotes;
}

/**
 * Maps a region that the target created.
 *
 * @throws {CaseFailure} it cannot be mapped
 */
export function held(
  t: Findings & Resources,
  description: Inflight,
  fd: OwnedFd,
  index = 0,
): InflightHeld {
  const stride = inflightBytes(description.queueSize);
  const { mmapOffset, mmapSize } = description;
  const needed = stride * (index + 1);
  t.expectThat(
    "size of the region",
    mmapSize >= needed,
    `at least ${counted(needed, "byte")}`,
    mmapSize,
  );
  const length = Number(mmapOffset + mmapSize);
  try {
    const mapping = Mapping.map(fd.fd, { offset: 0, length, writable: true });
    t.closing({ close: () => mapping.unmap() });
    const start = Number(mmapOffset) + stride * index;
    const notes = new InflightNotes(mapping.bytes.subarray(start, start + stride));
    return { description, fd, notes };
  } catch (error) {
    const actual = asError(error).message;
    t.fail("the region cannot be mapped", "memory to be mapped for reading and writing", actual);
  }
}

/**
 * Sends GET_INFLIGHT_FD.
 *
 * @returns the region, and the length of its description
 * @throws {CaseFailure}
 */
export async function askInflight(session: Session, numQueues: number, queueSize: number) {
  const wanted: Inflight = { mmapSize: 0n, mmapOffset: 0n, numQueues, queueSize };
  await session.send(FrontendRequest.GetInflightFd, wanted);
  const { payload, fds } = await session.expectNext("GET_INFLIGHT_FD");
  const [fd] = fds;
  if (fd === undefined || fds.length > 1 || payload.length < SHORT_BYTES) {
    throw new CaseFailure("GET_INFLIGHT_FD: no region came", {
      expected: "a description and one descriptor",
      actual: `${counted(payload.length, "byte")}, ${counted(fds.length, "descriptor")}`,
    });
  }
  const view = viewOf(payload);
  const description: Inflight = {
    mmapSize: view.getBigUint64(0, true),
    mmapOffset: view.getBigUint64(8, true),
    numQueues: view.getUint16(16, true),
    queueSize: view.getUint16(18, true),
  };
  return { description, fd, bytes: payload.length };
}

/** Creates a zeroed region for `numQueues` rings. */
export function craftInflight(
  t: Findings & Resources,
  numQueues: number,
  queueSize: number,
  index = 0,
) {
  const bytes = numQueues * inflightBytes(queueSize);
  const fd = t.closing(SharedMemory.create("vhost-user-inflight", bytes).fd);
  const description = { mmapSize: BigInt(bytes), mmapOffset: 0n, numQueues, queueSize };
  return held(t, description, fd, index);
}
