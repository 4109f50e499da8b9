import type { RunningQueue } from "../../../../core/runtime/index.ts";
import { type ChainCursor, createChainCursor } from "../../../../core/virtqueue/index.ts";
import { IoRequest } from "../../../storage/index.ts";
import { RANGE_BYTES, SECTOR_SIZE } from "../layout.ts";
import { DISCARD_LIMITS } from "./limits.ts";

/** Requests of a ring that was stopped, and left to the region that records them. */
export interface Suspended {
  /** Those that access guest memory, or change the image. */
  left: number;
  readonly resolve: () => void;
}

/** A request of the driver from its taking to its completion. Made once and reused. */
export class BlockTask extends IoRequest {
  readonly chain: ChainCursor;
  /** The ring that the chain is from; undefined while the task is not in use. */
  running: RunningQueue | undefined;
  /** True while the engine has it. */
  started = false;
  /** Bytes in front of the status byte, if the request succeeds. */
  written = 0;
  /** True if the data must be stable before the request completes, and is not yet. */
  flushes = false;
  suspended: Suspended | undefined;
  /** The segments of a discard or write-zeroes, and the next one. */
  ranges: DataView | undefined;
  rangeAt = 0;
  rangeEnd = 0;

  constructor(slot: number) {
    const chain = createChainCursor();
    super(slot, chain.spans);
    this.chain = chain;
  }

  /** Returns memory for the segments of the largest request. */
  room(): DataView {
    this.ranges ??= new DataView(new ArrayBuffer(DISCARD_LIMITS.ranges * RANGE_BYTES));
    return this.ranges;
  }

  /** Names the request, for reports. */
  describe(): string {
    const names = ["a read", "a write", "a flush", "a discard", "a write-zeroes", "a write-zeroes"];
    const name = names[this.kind] ?? "a request";
    return this.kind === 2 ? name : `${name} of sector ${Math.floor(this.position / SECTOR_SIZE)}`;
  }
}
