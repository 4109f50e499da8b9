import { MemoryAccessError, ProtocolError } from "../../../core/base/index.ts";
import { Region } from "../../../core/memory/index.ts";
import type { OwnedFd } from "../../../core/os/index.ts";
import { FrontendRequest, type MemoryRegion } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import { RepeatedRegions } from "../repeated-regions.ts";
import type { SessionState } from "../session-state.ts";

/** The number of memory slots that QEMU and libvhost-user use. */
const MAX_SLOTS = 509;

/** The memory table, whole or slot by slot. */
export function answerMemory(session: SessionState, answerer: HandlerRegistry<"front-end">): void {
  const { memory } = session;
  const repeated = new RepeatedRegions(memory, session.capabilities.network?.queuePairs ?? 1);
  answerer.on(FrontendRequest.SetMemTable, async ({ regions: descriptions }, { fds }) => {
    const { postcopy, negotiation } = session;
    const isConfirmation = postcopy.wantsConfirmation && descriptions.length === 0;
    const regions = isConfirmation ? postcopy.confirm() : mapAll(descriptions, fds);
    if (postcopy.wantsTable) {
      const table = postcopy.addressesOf(regions);
      negotiation.postcopy = false;
      return table;
    }
    await paused(session, () => memory.replace(regions));
    repeated.clear();
    return undefined;
  });
  answerer.on(FrontendRequest.GetMaxMemSlots, () => BigInt(MAX_SLOTS));
  answerer.on(FrontendRequest.AddMemReg, async ({ region: description }, { fds }) => {
    if (repeated.added(description)) return;
    if (memory.regions.length >= MAX_SLOTS) {
      throw new MemoryAccessError(`${MAX_SLOTS} memory regions exist already, which is the limit`);
    }
    const [region] = mapAll([description], fds);
    if (region) memory.add(region);
    for (const vring of session.vrings) {
      await vring.restartWorker();
      vring.memoryAdded();
    }
  });
  answerer.on(FrontendRequest.RemMemReg, async ({ region }) => {
    await paused(session, () => {
      if (memory.remove(region) || repeated.removed(region)) return;
      throw new MemoryAccessError(
        `VHOST_USER_REM_MEM_REG: no region at guest address 0x${region.guestAddress.toString(16)} with that ` +
          `size and user address`,
      );
    });
  });
}

/** Stops serving every ring while memory goes away; afterwards the rings are located again. */
async function paused(session: SessionState, change: () => void): Promise<void> {
  try {
    for (const vring of session.vrings) await vring.quiesce();
    change();
  } finally {
    for (const vring of session.vrings) vring.resume();
  }
}

/** Descriptor i belongs to region i. All or nothing is mapped. */
function mapAll(descriptions: readonly MemoryRegion[], fds: OwnedFd[]): Region[] {
  if (fds.length !== descriptions.length) {
    throw new ProtocolError(
      `expected a descriptor for each of ${descriptions.length} memory regions, got ${fds.length}`,
      { field: "descriptors" },
    );
  }
  const regions: Region[] = [];
  try {
    for (const description of descriptions) {
      const fd = fds.shift();
      if (fd) regions.push(new Region(description, fd));
    }
    return regions;
  } catch (error) {
    for (const region of regions) region.close();
    throw error;
  }
}
