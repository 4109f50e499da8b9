import { availableParallelism } from "node:os";
import { counted } from "../../core/base/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import type { ProbeHint } from "./result.ts";

/** Regions of SET_MEM_TABLE, without CONFIGURE_MEM_SLOTS. */
const TABLE_SLOTS = 8;
/** The number that QEMU's own back-ends offer. */
const USUAL_SLOTS = 32;

/** The offer of a back-end that hints are about. */
export interface Offer {
  readonly kind: DeviceKind | undefined;
  readonly virtio: bigint;
  /** GET_QUEUE_NUM; null: it is not served. */
  readonly queues: number | null;
  readonly memorySlots: number | null;
  readonly config: Readonly<Record<string, unknown>> | null;
}

/**
 * Returns what of an offer is within the specification and likely to surprise users.
 *
 * @param processors how many virtual processors guests are expected to have
 */
export function hintsOf(
  { kind, virtio, queues, memorySlots, config }: Offer,
  processors: number = availableParallelism(),
): ProbeHint[] {
  return [
    ...(kind?.queuePerProcessor === true ? fewQueues(kind, queues, processors) : []),
    ...(kind?.hints?.(virtio, config ?? {}) ?? []),
    ...fewSlots(memorySlots),
  ];
}

/** QEMU refuses a device that has fewer request queues than it asks for. */
function fewQueues(
  { queues: { once = [] } }: DeviceKind,
  queues: number | null,
  processors: number,
): ProbeHint[] {
  const count = Math.max(1, (queues ?? 1 + once.length) - once.length);
  if (count > 1 && count >= processors) return [];
  return [
    {
      id: "few-queues",
      text: `${counted(count, "request queue")}: QEMU wants one per vCPU and refuses a guest with more; set num-queues=${count} there`,
    },
  ];
}

function fewSlots(memorySlots: number | null): ProbeHint[] {
  const slots = memorySlots ?? TABLE_SLOTS;
  if (slots >= USUAL_SLOTS) return [];
  return [
    {
      id: "few-memory-slots",
      text: `${counted(slots, "memory slot")}: QEMU refuses to plug memory in beyond that many regions`,
    },
  ];
}
