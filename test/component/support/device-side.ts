import {
  type ChainCursor,
  createChainCursor,
  type DeviceQueue,
} from "../../../src/core/virtqueue/index.ts";
import { type DeviceSide, type DeviceState, deviceByte, type TakenChain } from "./ring-model.ts";

/** The device half of a model's ring, in this process. */
export class LocalDevice implements DeviceSide {
  readonly #queue: DeviceQueue;
  readonly #chains = new Map<number, ChainCursor>();

  constructor(queue: DeviceQueue) {
    this.#queue = queue;
  }

  take(): TakenChain | undefined {
    const chain = createChainCursor();
    if (!this.#queue.next(chain)) return undefined;
    this.#chains.set(chain.id, chain);
    const { id, readableBytes: readable, writableBytes: writable } = chain;
    let sum = 0;
    eachByte(chain, 0, chain.readableSpans, (bytes, at) => (sum += bytes[at] ?? 0));
    return { id, readable, writable, sum };
  }

  complete(id: number, written: number): void {
    const chain = this.#chains.get(id);
    if (chain === undefined) throw new Error(`chain ${id} was not taken`);
    let position = 0;
    eachByte(chain, chain.readableSpans, chain.spans.count, (bytes, at) => {
      if (position < written) bytes[at] = deviceByte(written, position);
      position += 1;
    });
    this.#chains.delete(id);
    this.#queue.complete(id, written);
  }

  publish(): boolean {
    return this.#queue.publish();
  }

  enableNotifications(): boolean {
    return this.#queue.enableNotifications();
  }

  disableNotifications(): void {
    this.#queue.disableNotifications();
  }

  state(): DeviceState {
    return { inFlight: this.#queue.inFlight, broken: this.#queue.broken?.reason };
  }
}

function eachByte(
  { spans }: ChainCursor,
  from: number,
  to: number,
  use: (bytes: Uint8Array, at: number) => void,
): void {
  for (let span = from; span < to; span += 1) {
    const bytes = spans.windows[span]?.bytes;
    const start = spans.offsets[span] ?? 0;
    if (bytes === undefined) throw new Error("a segment without a window");
    for (let at = start; at < start + (spans.lengths[span] ?? 0); at += 1) use(bytes, at);
  }
}
