import { counted } from "../../../../core/base/index.ts";
import type { RunningQueue } from "../../../../core/runtime/index.ts";
import { type ChainCursor, copyOut, createChainCursor } from "../../../../core/virtqueue/index.ts";
import { GSO_NONE, LONG_HEADER_BYTES, MAX_FRAME_BYTES, NetHeaderFlag } from "../layout.ts";
import type { NetTransmitCounters } from "./counters.ts";

/** Takes the frames that a driver sends off its transmit rings and hands each to a callback. */
export class Transmitter {
  readonly #counters: NetTransmitCounters;
  readonly #onFrame: (frame: Uint8Array, pair: number) => void;
  readonly #chain: ChainCursor = createChainCursor();
  readonly #header = new Uint8Array(LONG_HEADER_BYTES);

  constructor(counters: NetTransmitCounters, onFrame: (frame: Uint8Array, pair: number) => void) {
    this.#counters = counters;
    this.#onFrame = onFrame;
  }

  /** Serves the transmit ring of a pair, one round of its ring at most. */
  process(running: RunningQueue, headerBytes: number, pair: number): void {
    const { queue } = running;
    for (let budget = queue.size; budget > 0 && queue.next(this.#chain); budget -= 1) {
      this.#take(running, headerBytes, pair);
    }
  }

  #take({ queue }: RunningQueue, headerBytes: number, pair: number): void {
    const chain = this.#chain;
    const counters = this.#counters;
    if (chain.unreachable !== undefined) {
      counters.txWrongSize += 1;
      queue.complete(chain.id, 0);
      return;
    }
    if (chain.readableBytes < headerBytes) {
      queue.fail(
        `expected a packet with a header of ${counted(headerBytes, "byte")}, got ${counted(chain.readableBytes, "byte")}`,
        "5.1.6",
      );
      return;
    }
    const length = chain.readableBytes - headerBytes;
    copyOut(chain, 0, this.#header, headerBytes);
    const [flags = 0, gsoType = 0] = this.#header;
    let frame: Uint8Array | undefined;
    if (length === 0 || length > MAX_FRAME_BYTES) counters.txWrongSize += 1;
    else if ((flags & NetHeaderFlag.NeedsCsum) !== 0 || gsoType !== GSO_NONE)
      counters.txOffloads += 1;
    else {
      frame = new Uint8Array(length);
      copyOut(chain, headerBytes, frame, length);
      counters.txFrames += 1;
      counters.txBytes += length;
    }
    // The chain is completed first: the callback may do anything, also end the session.
    queue.complete(chain.id, 0);
    if (frame !== undefined) this.#onFrame(frame, pair);
  }
}
