import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { SuiteMemory } from "./memory.ts";

/** A harmless request, laid out in memory. */
export interface ProbeRequest {
  readonly readable: readonly GuestBuffer[];
  readonly writable: readonly GuestBuffer[];
  /** What is wrong with the answer, if anything. @param written by the used ring, which may be wrong */
  readonly wrong: (written: number) => string | undefined;
  /** Whether the device answered with an error; left out where `wrong` says so, or nothing can. */
  readonly failed?: () => boolean;
}

/** Something that a device keeps, so that it can be seen whether a request had an effect. */
export interface Effect {
  /** Reads what is kept, into `data`. @param place one of several that do not overlap; default 0 */
  read(memory: SuiteMemory, place?: number): ProbeRequest & { readonly data: GuestBuffer };
  /** Puts these bytes in its place, as many as are read. */
  write(memory: SuiteMemory, bytes: Uint8Array, place?: number): ProbeRequest;
}

/** What the suite knows of a device type: enough to see whether it is served. */
export interface DeviceKit {
  readonly type: string;
  /** Rings that must run for the device to work. */
  readonly rings: readonly number[];
  /** The one of them that takes the request. */
  readonly ring: number;
  /** All rings that take it, where GET_QUEUE_NUM said so many (of network devices: pairs). */
  requestRings(queueNum: number): readonly number[];
  /** Different each time. @param scale so many times as large, where requests have sizes; default 1 */
  request(memory: SuiteMemory, scale?: number): ProbeRequest;
  /** Undefined: nothing of such a device can be seen to stay. */
  readonly effect?: Effect;
}
