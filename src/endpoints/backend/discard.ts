import { createChainCursor, type ServedQueue } from "../../core/virtqueue/index.ts";

/** Uses what the driver made available without an effect; at most `queue.size` chains a call. */
export function discardChains(queue: ServedQueue): void {
  const chain = createChainCursor();
  for (let budget = queue.size; budget > 0 && queue.next(chain); budget -= 1) {
    queue.complete(chain.id, 0);
  }
}
