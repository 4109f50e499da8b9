import type { Device } from "../../endpoints/backend/index.ts";
import type { RequestHandler } from "../../core/session/index.ts";
import type { Channel } from "../../core/transport/index.ts";
import type { DeviceQueue } from "../../core/virtqueue/index.ts";
import { Aim } from "./aim.ts";

/** A number that a fault takes: `cut-reply=7`. */
export interface FaultParameter {
  readonly summary: string;
  readonly standard: number;
  readonly min: number;
  readonly max: number;
}

interface FaultBase {
  /** The name on a command line. */
  readonly name: string;
  /** Describes the fault in one line. */
  readonly summary: string;
  /** True if it can be aimed at one request; otherwise it strikes wherever it can. */
  readonly takesRequest: boolean;
  /** Section of the specification whose rule it breaks; nothing: unusual, but allowed. */
  readonly breaks?: string;
  readonly parameter?: FaultParameter;
}

/** Wraps the main socket of a back-end. */
export interface ChannelFault extends FaultBase {
  readonly where: "channel";
  wrap(channel: Channel, aim: Aim, parameter: number): Channel;
}

/** Takes the place of what serves a request. */
export interface HandlerFault extends FaultBase {
  readonly where: "handler";
  wrap(request: number, handler: RequestHandler, aim: Aim, parameter: number): RequestHandler;
}

/** Wraps the rings of a device. */
export interface QueueFault extends FaultBase {
  readonly where: "queue";
  wrap(queue: DeviceQueue, parameter: number): DeviceQueue;
}

/** Wraps a device. Faults that read requests understand block devices. */
export interface DeviceFault extends FaultBase {
  readonly where: "device";
  wrap(device: Device, parameter: number): Device;
}

/** One way in which a back-end can be wrong. */
export type Fault = ChannelFault | HandlerFault | QueueFault | DeviceFault;

/** A fault and what it is aimed at. */
export interface FaultUse {
  readonly fault: Fault;
  /** Number of the front-end's request that is struck; undefined if every one. */
  readonly request?: number | undefined;
  /** Only this occurrence of the request in a session, from 1; undefined if each. */
  readonly occurrence?: number | undefined;
  /** The parameter; undefined selects the default of the fault. */
  readonly parameter?: number | undefined;
}

/** A fresh count of occurrences: one is needed for every session. */
export function aimOf({ request, occurrence }: FaultUse): Aim {
  return new Aim(request, occurrence);
}
