import {
  type Direction,
  FrontendRequest,
  type MemoryRegion,
  type PayloadOf,
  type ReplyOf,
  type VringAddress,
  VirtioFeature,
} from "../../core/protocol/index.ts";
import { Negotiation } from "../../core/session/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { inferDevice } from "../probe/index.ts";
import type { TraceDescriptor } from "./event.ts";

/** More regions or rings than any session has are not followed. */
const MAX_REGIONS = 1024;
const MAX_RINGS = 1024;
const ALL_BITS = 0xffff_ffff_ffff_ffffn;

/** A region of guest memory, and the object that it is in. */
export interface TracedRegion extends MemoryRegion {
  /** `mem0` */
  readonly name: string;
  /** The descriptor as in a capture; absent if it was not recorded. */
  readonly descriptor?: TraceDescriptor | undefined;
}

/** The set-up of a ring by the front-end. */
export interface TracedRing {
  readonly index: number;
  size?: number;
  /** The base of SET_VRING_BASE, or of the last reply to GET_VRING_BASE. */
  base?: number;
  addresses?: VringAddress;
  kick?: TraceDescriptor | undefined;
  call?: TraceDescriptor | undefined;
  err?: TraceDescriptor | undefined;
  /** True between SET_VRING_KICK and GET_VRING_BASE. */
  started: boolean;
  enabled: boolean;
}

/** A place in guest memory, by a name that is the same in every run. */
export interface RegionOffset {
  readonly region: TracedRegion;
  readonly offset: bigint;
}

/** A request whose payload was decoded, or its reply. */
export interface DecodedMessage {
  readonly channel: Direction;
  readonly request: number;
  readonly isReply: boolean;
  readonly value: unknown;
  readonly descriptors: readonly TraceDescriptor[];
}

/**
 * The state that the messages of a session have set up so far. Requests count when they pass,
 * acknowledged or not.
 *
 * @example
 * ```ts
 * import { SessionDecoder, type TracedSession } from "vhost-user/testing";
 *
 * const { state }: { state: TracedSession } = new SessionDecoder({ session: 0 });
 * for (const [index, { started, enabled }] of state.rings) console.log(index, started, enabled);
 * ```
 */
export class TracedSession {
  /** The negotiated features. Before an offer has passed, everything counts as offered. */
  readonly negotiation: Negotiation = new Negotiation();
  /** The regions, with the guest addresses that were announced. */
  regions: readonly TracedRegion[] = [];
  readonly rings: Map<number, TracedRing> = new Map();
  log: TraceDescriptor | undefined;
  inflight: TraceDescriptor | undefined;
  /** The value of the last SET_STATUS. */
  status: bigint | undefined;
  /** The device type: given, or inferred from the offer of the back-end. */
  device: DeviceKind | undefined;
  readonly #program: string | undefined;
  #offers = { virtio: false, protocol: false };

  /** @param program file name of the back-end, where it is known */
  constructor(device?: DeviceKind, program?: string) {
    this.device = device;
    this.#program = program;
    this.negotiation.offered = ALL_BITS;
    this.negotiation.offeredProtocolFeatures = ALL_BITS;
  }

  /** Finds the region of a user address, or of a guest address in sessions that use those. */
  locate(address: bigint): RegionOffset | undefined {
    for (const region of this.regions) {
      const offset = address - region.userAddress;
      if (offset >= 0n && offset < region.size) {
        return { region, offset: offset + region.mmapOffset };
      }
    }
    return undefined;
  }

  /** Returns whether ring addresses have to be in a region. */
  get hasPlainAddresses(): boolean {
    return (this.negotiation.features & VirtioFeature.AccessPlatform) === 0n;
  }

  /** Applies a message that has passed. */
  apply({ channel, request, isReply, value, descriptors }: DecodedMessage): void {
    if (channel === "back-end") return;
    const table: Readonly<Record<number, Apply<never>>> = isReply ? replies : requests;
    (table[request] as Apply<unknown> | undefined)?.(this, value, descriptors);
  }

  /** The ring with an index; undefined if there are too many. */
  ring(index: number): TracedRing | undefined {
    const known = this.rings.get(index);
    if (known !== undefined || this.rings.size >= MAX_RINGS) return known;
    const ring: TracedRing = { index, started: false, enabled: !this.#waitsForEnable() };
    this.rings.set(index, ring);
    return ring;
  }

  /** Notes the offer of the back-end, which shows the device's type. */
  offered(kind: "virtio" | "protocol", word: bigint): void {
    if (kind === "virtio") this.negotiation.offered = word;
    else this.negotiation.offeredProtocolFeatures = word;
    this.#offers[kind] = true;
    const { offered = 0n, offeredProtocolFeatures } = this.negotiation;
    if (this.device === undefined && this.#offers.virtio && this.#offers.protocol) {
      this.device = inferDevice(offered, offeredProtocolFeatures, this.#program);
    }
  }

  /** Adds a region. */
  addRegion(region: MemoryRegion, descriptor: TraceDescriptor | undefined): void {
    if (this.regions.length >= MAX_REGIONS) return;
    const name = descriptor?.name ?? `mem${this.regions.length}`;
    this.regions = [...this.regions, { ...region, name, descriptor }];
  }

  /** SET_FEATURES without the bit enables every ring. */
  #waitsForEnable(): boolean {
    return (this.negotiation.features & VirtioFeature.ProtocolFeatures) !== 0n;
  }

  /** Rings after SET_FEATURES. */
  featuresAcknowledged(word: bigint): void {
    this.negotiation.features = word;
    if (this.#waitsForEnable()) return;
    for (const ring of this.rings.values()) ring.enabled = true;
  }

  /** Rings after a reset. */
  reset(): void {
    for (const ring of this.rings.values()) Object.assign(ring, { started: false, enabled: false });
  }
}

type Apply<V> = (state: TracedSession, value: V, descriptors: readonly TraceDescriptor[]) => void;
type Requests = { readonly [R in FrontendRequest]?: Apply<PayloadOf<R>> };
type Replies = { readonly [R in FrontendRequest]?: Apply<ReplyOf<R>> };

const R = FrontendRequest;

const requests: Requests = {
  [R.SetFeatures]: (state, word) => state.featuresAcknowledged(word),
  [R.SetProtocolFeatures]: (state, word) => {
    state.negotiation.protocolFeatures = word;
  },
  [R.SetMemTable]: (state, { regions }, descriptors) => {
    // The confirmation of a postcopy table is an empty one.
    if (state.negotiation.postcopy && regions.length === 0) return;
    state.regions = [];
    for (const [at, region] of regions.entries()) state.addRegion(region, descriptors[at]);
  },
  [R.AddMemReg]: (state, { region }, [descriptor]) => state.addRegion(region, descriptor),
  [R.RemMemReg]: (state, { region }) => {
    const { guestAddress, userAddress, size } = region;
    state.regions = state.regions.filter(
      (each) =>
        each.guestAddress !== guestAddress ||
        each.userAddress !== userAddress ||
        each.size !== size,
    );
  },
  [R.SetLogBase]: (state, _, [descriptor]) => {
    state.log = descriptor ?? state.log;
  },
  [R.SetVringNum]: (state, { index, num }) => change(state, index, { size: num }),
  [R.SetVringAddr]: (state, addresses) => change(state, addresses.index, { addresses }),
  [R.SetVringBase]: (state, { index, num }) => change(state, index, { base: num }),
  [R.SetVringKick]: (state, { index }, [kick]) => change(state, index, { kick, started: true }),
  [R.SetVringCall]: (state, { index }, [call]) => change(state, index, { call }),
  [R.SetVringErr]: (state, { index }, [err]) => change(state, index, { err }),
  [R.SetVringEnable]: (state, { index, num }) => change(state, index, { enabled: num !== 0 }),
  [R.VringKick]: (state, { index }) => change(state, index, { started: true }),
  [R.SetInflightFd]: (state, _, [descriptor]) => {
    state.inflight = descriptor;
  },
  [R.SetStatus]: (state, status) => {
    state.status = status;
    if (status === 0n) state.reset();
  },
  [R.ResetDevice]: (state) => state.reset(),
  [R.PostcopyListen]: (state) => {
    state.negotiation.postcopy = true;
  },
  [R.PostcopyEnd]: (state) => {
    state.negotiation.postcopy = false;
  },
};

const replies: Replies = {
  [R.GetFeatures]: (state, word) => state.offered("virtio", word),
  [R.GetProtocolFeatures]: (state, word) => state.offered("protocol", word),
  [R.GetVringBase]: (state, { index, num }) => change(state, index, { base: num, started: false }),
  [R.GetVringBaseSkipDrain]: (state, { index, num }) =>
    change(state, index, { base: num, started: false }),
  [R.GetInflightFd]: (state, _, [descriptor]) => {
    state.inflight = descriptor;
  },
  [R.GetStatus]: (state, status) => {
    state.status = status;
  },
};

function change(state: TracedSession, index: number, values: Partial<TracedRing>): void {
  const ring = state.ring(index);
  if (ring !== undefined) Object.assign(ring, values);
}
