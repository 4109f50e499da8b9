import { counted } from "../base/index.ts";
import { type AddressSpace, MAX_SPANS, Resolved, SHARE_HINT, SpanList } from "../memory/index.ts";
import type { Descriptor } from "./descriptor.ts";
import type { ChainCursor, QueueFault } from "./types.ts";

/** Creates a cursor for repeated use with `DeviceQueue.next`. */
export function createChainCursor(): ChainCursor {
  return {
    id: 0,
    spans: new SpanList(),
    readableSpans: 0,
    readableBytes: 0,
    writableBytes: 0,
    unreachable: undefined,
  };
}

/** Begins a new chain in a cursor. */
export function resetChain(chain: ChainCursor): void {
  chain.spans.clear();
  chain.readableSpans = 0;
  chain.readableBytes = 0;
  chain.writableBytes = 0;
  chain.unreachable = undefined;
}

/** VIRTIO sections of the rules that a chain may break. */
export interface ChainRules {
  /** Readable descriptors come before writable ones. */
  readonly order: string;
  /** Buffers are in memory, and together they have at most 2^32 bytes. */
  readonly buffer: string;
}

export const SPLIT_CHAIN_RULES: ChainRules = { order: "2.7.4.2", buffer: "2.7.5" };
export const PACKED_CHAIN_RULES: ChainRules = { order: "2.8.17", buffer: "2.8.4" };

/**
 * Translates a descriptor's buffer and appends it. Returns the rule that it breaks, if any. A
 * buffer outside of shared memory does not damage the ring: it makes the chain {@link
 * ChainCursor.unreachable}.
 */
export function appendBuffer(
  chain: ChainCursor,
  descriptor: Descriptor,
  writable: boolean,
  memory: AddressSpace,
  rules: ChainRules,
): QueueFault | undefined {
  const { low, high, length } = descriptor;
  if (!writable && chain.writableBytes > 0) {
    return fault(
      rules.order,
      "a readable descriptor follows a writable one: readable descriptors must come first",
    );
  }
  const { spans } = chain;
  const { count } = spans;
  const resolved = memory.resolve(low, high, length, writable, spans);
  if (resolved === Resolved.Miss) return MISSING;
  if (resolved !== Resolved.Ok) {
    const { buffer } = rules;
    const isOutside = spans.count < MAX_SPANS;
    spans.count = count;
    if (isOutside) chain.unreachable ??= outside("a buffer", descriptor, buffer);
    if (!isOutside || !spans.pushUnreachable(length))
      return fault(buffer, `expected at most ${MAX_SPANS} spans of memory in a chain, got more`);
  }
  if (writable) chain.writableBytes += length;
  else {
    chain.readableBytes += length;
    chain.readableSpans = chain.spans.count;
  }
  if (chain.readableBytes + chain.writableBytes > 2 ** 32) {
    return fault(rules.buffer, "expected at most 2^32 bytes in a chain, got more");
  }
  return undefined;
}

/**
 * Fills the cursor from a single-descriptor chain, the most frequent kind, on a shorter path than
 * the walkers. Returns false if the chain must be walked, which reads its words again.
 */
export function takeSingle(
  chain: ChainCursor,
  words: Uint32Array,
  at: number,
  writable: boolean,
  memory: AddressSpace,
): boolean {
  const { spans } = chain;
  const length = words[at + 2] ?? 0;
  spans.count = 0;
  const low = (words[at] ?? 0) | 0;
  const high = (words[at + 1] ?? 0) | 0;
  if (memory.resolve(low, high, length, writable, spans) !== Resolved.Ok) return false;
  chain.unreachable = undefined;
  chain.readableSpans = writable ? 0 : spans.count;
  chain.readableBytes = writable ? 0 : length;
  chain.writableBytes = writable ? length : 0;
  return true;
}

/**
 * Appends the buffer of a readable descriptor. Returns false and appends nothing if it is not one
 * span.
 */
export function appendSingle(
  spans: SpanList,
  words: Uint32Array,
  at: number,
  memory: AddressSpace,
): boolean {
  const { count } = spans;
  const length = words[at + 2] ?? 0;
  const low = (words[at] ?? 0) | 0;
  const high = (words[at + 1] ?? 0) | 0;
  const resolved = memory.resolve(low, high, length, false, spans);
  if (resolved === Resolved.Ok && spans.count === count + 1) return true;
  spans.count = count;
  return false;
}

/** Not a fault: a translation is missing, and the chain must be walked again later. */
export const MISSING: QueueFault = { reason: "a translation is missing", section: "2.7" };

/** Makes the fault of a descriptor that refers to memory outside of the shared regions. */
export function outside(what: string, descriptor: Descriptor, section: string): QueueFault {
  return fault(
    section,
    `expected ${what} inside shared memory, got ${counted(descriptor.length, "byte")} at guest address ${descriptor.addressText}; ${SHARE_HINT}`,
  );
}

export function fault(section: string, reason: string): QueueFault {
  return { section, reason };
}

/**
 * Marks a chain whose indirect table is outside of shared memory, so that its buffers are unknown.
 * One writable byte replaces them, so that no buffer in front of the table counts as the end of the
 * chain.
 */
export function appendUnreachable(chain: ChainCursor, why: QueueFault): void {
  chain.unreachable ??= why;
  chain.spans.pushUnreachable(1);
  chain.writableBytes += 1;
}
