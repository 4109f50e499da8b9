import { Mapping, type OwnedFd, SharedMemory } from "../../../../core/os/index.ts";
import { FrontendRequest, type Log, VirtioFeature } from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import type { KitRequest } from "./kit.ts";
import { PAGE, type SuiteMemory } from "./memory.ts";
import type { Session } from "./session.ts";

/** One 64-bit word of the log, as front-ends round it. */
const WORD_BYTES = 8;
const WORD_PAGES = 32;

/** A dirty log of the check's own: a bit for each page of guest addresses, from 0 on. */
export class LogArea {
  readonly fd: OwnedFd;
  readonly description: Log;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #first: number;
  readonly #end: number;

  /** @param behind bytes of guest addresses after the memory that the log covers too */
  constructor(t: CheckContext, memory: SuiteMemory, behind = 0) {
    const starts = memory.regions.map(({ description }) => Number(description.guestAddress));
    const ends = memory.regions.map(({ description: { guestAddress, size } }) =>
      Number(guestAddress + size),
    );
    this.#first = Math.floor(Math.min(...starts) / PAGE);
    this.#end = Math.ceil((Math.max(...ends) + behind) / PAGE);
    const bytes = Math.ceil(this.#end / 8 / WORD_BYTES) * WORD_BYTES;
    this.fd = t.closing(SharedMemory.create("vhost-user-log", bytes).fd);
    const mapping = Mapping.map(this.fd.fd, { offset: 0, length: bytes, writable: true });
    t.closing({ close: () => mapping.unmap() });
    this.#bytes = mapping.bytes.subarray(0, bytes);
    this.#words = new Uint32Array(mapping.bytes.buffer, mapping.bytes.byteOffset, bytes / 4);
    this.description = { mmapSize: BigInt(bytes), mmapOffset: 0n };
  }

  /** Returns the numbers of the marked pages. */
  get marked(): number[] {
    const pages: number[] = [];
    for (let page = this.#first; page < this.#end; page += 1) {
      if (((this.#bytes[page >> 3] ?? 0) & (1 << (page & 7))) !== 0) pages.push(page);
    }
    return pages;
  }

  /** Reads and clears the log word by word, like a migration, and returns the pages. */
  harvest(take: (page: number) => void): void {
    for (
      let word = Math.floor(this.#first / WORD_PAGES);
      word * WORD_PAGES < this.#end;
      word += 1
    ) {
      const bits = Atomics.exchange(this.#words, word, 0);
      for (let bit = 0; bit < WORD_PAGES; bit += 1) {
        if ((bits & (1 << bit)) !== 0) take(word * WORD_PAGES + bit);
      }
    }
  }
}

/**
 * SET_LOG_BASE, which must be answered with a message of its own number.
 *
 * @throws {CaseFailure}
 */
export async function setLog(t: CheckContext, session: Session, log: LogArea): Promise<void> {
  await session.send(FrontendRequest.SetLogBase, log.description, { fds: [log.fd] });
  const { header } = await session.expectNext("SET_LOG_BASE");
  t.expect("request of the reply", header.request, FrontendRequest.SetLogBase);
}

/**
 * A log, and LOG_ALL: what the device writes is marked from now on.
 *
 * @throws {CaseFailure}
 */
export async function startLogging(
  t: CheckContext,
  session: Session,
  memory: SuiteMemory,
  behind = 0,
): Promise<LogArea> {
  const log = new LogArea(t, memory, behind);
  await setLog(t, session, log);
  await session.set(FrontendRequest.SetFeatures, session.virtio | VirtioFeature.LogAll);
  return log;
}

/** Returns the pages of `length` bytes at an address. */
function pagesOf(address: number, length: number): number[] {
  const first = Math.floor(address / PAGE);
  const count = length === 0 ? 0 : Math.floor((address + length - 1) / PAGE) - first + 1;
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Returns the pages of a request's writable part that were written. */
export function writtenPages({ writable }: KitRequest, written: number): number[] {
  let left = written;
  return writable.flatMap(({ address, bytes }) => {
    const length = Math.min(left, bytes.length);
    left -= length;
    return pagesOf(address, length);
  });
}
