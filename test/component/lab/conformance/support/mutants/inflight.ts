import { Mapping, type OwnedFd } from "../../../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  type Inflight,
  type VringState,
} from "../../../../../../src/core/protocol/index.ts";
import type { DeviceQueue } from "../../../../../../src/core/virtqueue/index.ts";
import { WrappedQueue } from "../../../../../../src/lab/faults/wrapped-queue.ts";
import { answers, type Mutant, throughHandler } from "../mutant.ts";

const { GetInflightFd, GetVringBase, SetInflightFd, SetVringBase } = FrontendRequest;
/** Bytes of a region's header, and of an entry. */
const ENTRY = 16;
/** Offsets in the header. */
const VERSION = 8;
const USED_IDX = 14;

/** The words of a region, for the moment. */
function withRegion(payload: unknown, fd: OwnedFd | undefined, edit: (view: DataView) => void) {
  if (fd === undefined) return;
  const length = Number((payload as Inflight).mmapSize);
  const mapping = Mapping.map(fd.fd, { offset: 0, length, writable: true });
  edit(new DataView(mapping.bytes.buffer, mapping.bytes.byteOffset, length));
  mapping.unmap();
}

/** Changes the region that it is given before it takes it. */
const takes = (summary: string, edit: (view: DataView, size: number) => void): Mutant =>
  throughHandler(summary, () => ({
    [SetInflightFd]: (plain) => (payload, incoming) => {
      const { queueSize } = payload as Inflight;
      withRegion(payload, incoming.fds[0], (view) => edit(view, queueSize));
      return plain(payload, incoming);
    },
  }));

/** Loses the first request of its first ring. */
class Forgetful extends WrappedQueue {
  #lost = false;

  override complete(id: number, written: number): void {
    if (this.#lost) this.queue.complete(id, written);
    this.#lost = true;
  }
}

export const inflight: Readonly<Record<string, Mutant>> = {
  "inflight/1": answers<Inflight>("answers with half of the region", GetInflightFd, (region) => ({
    ...region,
    mmapSize: region.mmapSize / 2n,
  })),
  "inflight/2": answers<Inflight>(
    "answers with another number of queues",
    GetInflightFd,
    (region) => ({
      ...region,
      numQueues: region.numQueues + 1,
    }),
  ),
  "inflight/3": throughHandler("creates regions with a chain in flight", () => ({
    [GetInflightFd]: (plain) => async (payload, incoming) => {
      const region = await plain(payload, incoming);
      withRegion(region, incoming.replyFds[0], (view) => view.setUint8(3 * ENTRY, 1));
      return region;
    },
  })),
  "inflight/5": throughHandler("does not look at the region that it is given", () => ({
    [SetInflightFd]: () => () => undefined,
  })),
  "inflight/7": throughHandler("leaves a completed request marked as in flight", () => {
    let kept: { readonly payload: unknown; readonly fd: OwnedFd | undefined } | undefined;
    return {
      [SetInflightFd]: (plain) => (payload, incoming) => {
        kept = { payload, fd: incoming.fds[0]?.duplicate() };
        return plain(payload, incoming);
      },
      [GetVringBase]: (plain) => async (payload, incoming) => {
        const state = await plain(payload, incoming);
        withRegion(kept?.payload, kept?.fd, (view) => view.setUint8(ENTRY, 1));
        kept?.fd?.close();
        kept = undefined;
        return state;
      },
    };
  }),
  "inflight/8": {
    fault: "loses a request, and its successor does not replay what was in flight",
    apply: (options) => {
      let first = false;
      let regions = 0;
      const { fault: _fault, apply } = takes("", (view, size) => {
        regions += 1;
        // The ring that gets the first region.
        first = regions === 1;
        if (regions > 1) for (let i = 1; i <= size; i += 1) view.setUint8(i * ENTRY, 0);
      });
      void _fault;
      const forget = (queue: DeviceQueue): DeviceQueue => {
        const wrapped = first ? new Forgetful(queue) : queue;
        first = false;
        return wrapped;
      };
      return {
        ...(apply?.(options, { crash() {}, leak() {}, hoard() {} }) ?? options),
        queue: forget,
      };
    },
  },
  "inflight/9": takes("replays what was in flight in the order of its heads", (view, size) => {
    for (let i = 1; i <= size; i += 1) view.setBigUint64(i * ENTRY + 8, BigInt(i), true);
  }),
  "inflight/10": takes(
    "cleans up one chain of the last batch only, as libvhost-user",
    (view, size) => {
      for (let i = 1; i <= size; i += 1) view.setUint16(i * ENTRY + 6, i - 1, true);
    },
  ),
  "inflight/18": throughHandler("starts a ring with a fresh in-flight region at 0", () => {
    const isFresh = new WeakSet<object>();
    return {
      [SetInflightFd]: (plain, session) => (payload, incoming) => {
        withRegion(payload, incoming.fds[0], (view) => {
          if (view.getUint16(VERSION, true) === 0) isFresh.add(session());
        });
        return plain(payload, incoming);
      },
      [SetVringBase]: (plain, session) => (payload, incoming) => {
        const { index, num } = payload as VringState;
        return plain({ index, num: isFresh.has(session()) ? 0 : num }, incoming);
      },
    };
  }),
  "inflight/19": takes("takes head 0 for none", (view) => view.setUint8(ENTRY, 0)),
  "inflight/20": takes("cleans up no batch within which the used index wrapped", (view) => {
    // The used index in memory is 0 and 1 then.
    const usedIdx = view.getUint16(USED_IDX, true);
    if (usedIdx >= 0x8000) view.setUint16(USED_IDX, usedIdx === 0xffff ? 0 : 1, true);
  }),
};
