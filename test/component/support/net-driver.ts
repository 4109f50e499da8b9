import type { RunningQueue } from "../../../src/core/runtime/index.ts";
import type { Device } from "../../../src/endpoints/backend/index.ts";
import { netType } from "../../../src/endpoints/devices/net/type.ts";
import { NetFeature } from "../../../src/endpoints/devices/net/index.ts";
import { copyIn, createChainCursor } from "../../../src/core/virtqueue/index.ts";

/** What a device writes into one buffer, true or not. */
export interface Packet {
  /** In front of the frame; undefined: this buffer continues a frame. */
  readonly header?: {
    readonly flags?: number;
    readonly gsoType?: number;
    readonly buffers?: number;
  };
  readonly frame: Uint8Array;
  /** What it claims to have written; default: what it wrote. */
  readonly used?: number;
}

/** A network device that writes given bytes into its driver's buffers. */
export interface HostileCard {
  readonly device: Device;
  /** Writes packets, one a buffer, and shows them together. */
  receive(...packets: readonly Packet[]): void;
  /** Overwrites the buffers that were written last. */
  scribble(value: number): void;
  /** Takes frames of the transmit ring that were left there. */
  serve(): void;
  /** Publishes a completion that the driver does not wait for. */
  breakRing(): void;
  /** Whether frames of the driver are taken as they come. */
  takesFrames: boolean;
}

export function hostileCard(features: bigint = NetFeature.MrgRxbuf): HostileCard {
  const rings: RunningQueue[] = [];
  const chain = createChainCursor();
  let written: Uint8Array[] = [];
  const take = (running: RunningQueue): void => {
    while (running.queue.next(chain)) running.queue.complete(chain.id, 0);
  };
  const ring = (index: number): RunningQueue => {
    const running = rings[index];
    if (running === undefined) throw new Error(`ring ${index} does not run`);
    return running;
  };
  const card: HostileCard = {
    takesFrames: true,
    device: {
      type: netType,
      features,
      maxQueues: 2,
      maxQueueSize: 1024,
      process(running) {
        rings[running.index] = running;
        if (running.index === 1 && card.takesFrames) take(running);
      },
      capabilities: {
        network: { queuePairs: 1 },
        scheduling: { wantsChains: (index) => index === 1 && card.takesFrames },
      },
    },
    receive(...packets) {
      const running = ring(0);
      const { queue } = running;
      written = [];
      for (const { header, frame, used } of packets) {
        if (!queue.next(chain)) throw new Error("the driver supplied no buffer");
        const bytes = new Uint8Array((header === undefined ? 0 : 12) + frame.length);
        if (header !== undefined) {
          const { flags = 0, gsoType = 0, buffers = 1 } = header;
          bytes.set([flags, gsoType, 0, 0, 0, 0, 0, 0, 0, 0, buffers & 0xff, buffers >> 8]);
        }
        bytes.set(frame, bytes.length - frame.length);
        copyIn(chain, 0, bytes, 0, bytes.length);
        const [window] = chain.spans.windows;
        const [at = 0] = chain.spans.offsets;
        const [length = 0] = chain.spans.lengths;
        if (window !== undefined) written.push(window.bytes.subarray(at, at + length));
        queue.complete(chain.id, used ?? bytes.length);
      }
      running.publish();
    },
    scribble(value) {
      for (const bytes of written) bytes.fill(value);
    },
    serve() {
      const running = ring(1);
      take(running);
      running.publish();
    },
    breakRing() {
      const running = ring(0);
      const { queue } = running;
      if (!queue.next(chain)) throw new Error("the driver supplied no buffer");
      // A split ring takes the id as it is: it names a chain that was never made available.
      queue.complete(0x7777, 20);
      running.publish();
    },
  };
  return card;
}
