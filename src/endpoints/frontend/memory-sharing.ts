import { EnvironmentError, StateError } from "../../core/base/index.ts";
import { GuestMemory, type GuestMemoryOptions, type Region } from "../../core/memory/index.ts";
import { MAX_MEMORY_REGIONS, ProtocolFeature } from "../../core/protocol/index.ts";
import type { FrontendRequests } from "./requests.ts";

const DEFAULT_BYTES = 64 << 20;

/**
 * Shares memory, slot by slot where the back-end has slots.
 *
 * @throws {EnvironmentError} it has fewer slots than there are regions
 */
export async function shareMemory(
  requests: FrontendRequests,
  memory: Pick<GuestMemory, "regions">,
): Promise<void> {
  const { regions } = memory;
  // One region fits anywhere: how much room there is need not be known.
  if (regions.length > 1) await expectRoom(requests, regions.length);
  await (hasSlots(requests) ? fillSlots(requests, regions) : sendTable(requests, regions));
}

/** A session, as far as its memory is concerned: a `Client` is one. */
export interface MemorySession {
  readonly requests: FrontendRequests;
  readonly memory: GuestMemory;
}

/**
 * Makes the memory of a session, before its features are negotiated.
 *
 * @throws {UsageError | EnvironmentError} an invalid layout; too few huge pages
 */
export function makeMemory({
  memory = { size: DEFAULT_BYTES },
  iommu,
}: {
  memory?: GuestMemoryOptions | undefined;
  iommu?: unknown;
}): GuestMemory {
  return new GuestMemory(memory, Boolean(iommu));
}

/** Prepares the memory once the features are negotiated, as they decide about its addresses. */
export function settleMemory({ negotiation }: FrontendRequests, memory: GuestMemory): GuestMemory {
  if (negotiation.has(ProtocolFeature.GpaAddresses)) memory.useGuestAddresses();
  return memory;
}

/**
 * Shares one more memory region, also while queues run.
 *
 * @param size bytes; rounded up to whole pages
 * @throws {EnvironmentError} the back-end has no slot left, or the system too few huge pages
 * @throws {PeerClosedError | TimeoutError | ProtocolError | RemoteError}
 */
export async function addMemory(
  { requests, memory }: MemorySession,
  size: number,
): Promise<Region> {
  await expectRoom(requests, memory.regions.length + 1);
  const region = memory.add(size);
  try {
    await shareRegion(requests, memory, region);
    return region;
  } catch (error) {
    memory.remove(region);
    throw error;
  }
}

/**
 * Takes a region away from the back-end, and closes it; no buffer in it may be in use.
 *
 * @throws {StateError} it is not this session's
 * @throws {PeerClosedError | TimeoutError | ProtocolError | RemoteError}
 */
export async function removeMemory(
  { requests, memory }: MemorySession,
  region: Region,
): Promise<void> {
  if (!memory.regions.includes(region)) throw new StateError("the region is not shared (any more)");
  if (hasSlots(requests)) {
    await requests.remMemReg(region.description);
  } else {
    const remaining = memory.regions.filter((other) => other !== region);
    await sendTable(requests, remaining);
  }
  memory.remove(region);
}

async function shareRegion(
  requests: FrontendRequests,
  memory: Pick<GuestMemory, "regions">,
  region: Region,
): Promise<void> {
  if (!hasSlots(requests)) return sendTable(requests, memory.regions);
  await requests.addMemReg(region.description, region.fd);
}

async function fillSlots(requests: FrontendRequests, regions: readonly Region[]): Promise<void> {
  for (const { description, fd } of regions) await requests.addMemReg(description, fd);
}

async function sendTable(requests: FrontendRequests, regions: readonly Region[]): Promise<void> {
  await requests.setMemTable(
    regions.map(({ description }) => description),
    regions.map(({ fd }) => fd),
  );
}

function hasSlots({ negotiation }: FrontendRequests): boolean {
  return negotiation.has(ProtocolFeature.ConfigureMemSlots);
}

async function expectRoom(requests: FrontendRequests, regions: number): Promise<void> {
  const [who, slots] = hasSlots(requests)
    ? (["the back-end", Number(await requests.getMaxMemSlots())] as const)
    : (["a memory table", MAX_MEMORY_REGIONS] as const);
  if (regions <= slots) return;
  throw new EnvironmentError(
    `${who} has room for ${slots} memory regions, not for ${regions}; split the memory less`,
  );
}
