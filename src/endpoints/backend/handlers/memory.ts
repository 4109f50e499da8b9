import { MemoryAccessError, ProtocolError } from "../../../core/base/index.ts";
import { Region } from "../../../core/memory/index.ts";
import type { OwnedFd } from "../../../core/os/index.ts";
import {
  FrontendRequest,
  type MemoryRegion,
  type MemoryTable,
} from "../../../core/protocol/index.ts";
import type { RequestHandler } from "../../../core/session/index.ts";
import { RepeatedRegions } from "../repeated-regions.ts";
import type { BackendSession } from "../session.ts";

/** What QEMU and libvhost-user agree on as a number of slots. */
const MAX_SLOTS = 509;

/** The memory table, whole or slot by slot. */
export function answerMemory(
  session: BackendSession,
  on: (request: number, handler: RequestHandler) => void,
): void {
  const { memory } = session;
  const repeated = new RepeatedRegions(memory, session.device.queueNum ?? 1);
  on(FrontendRequest.SetMemTable, async (payload, { fds }) => {
    const { postcopy, negotiation } = session;
    const { regions: descriptions } = payload as MemoryTable;
    const isConfirmation = postcopy.wantsConfirmation && descriptions.length === 0;
    const regions = isConfirmation ? postcopy.confirm() : mapAll(descriptions, fds);
    if (postcopy.wantsTable) {
      const table = postcopy.tell(regions);
      negotiation.postcopy = false;
      return table;
    }
    await paused(session, () => memory.replace(regions));
    repeated.clear();
    return undefined;
  });
  on(FrontendRequest.GetMaxMemSlots, () => BigInt(MAX_SLOTS));
  on(FrontendRequest.AddMemReg, async (payload, { fds }) => {
    const { region: description } = payload as { region: MemoryRegion };
    if (repeated.added(description)) return;
    if (memory.regions.length >= MAX_SLOTS) {
      throw new MemoryAccessError(`expected at most ${MAX_SLOTS} memory regions, got one more`);
    }
    const [region] = mapAll([description], fds);
    if (region) memory.add(region);
    for (const vring of session.vrings) {
      await vring.restartWorker();
      vring.memoryAdded();
    }
  });
  on(FrontendRequest.RemMemReg, async (payload) => {
    const { region } = payload as { region: MemoryRegion };
    await paused(session, () => {
      if (memory.remove(region) || repeated.removed(region)) return;
      throw new MemoryAccessError(
        `VHOST_USER_REM_MEM_REG: no region at guest address 0x${region.guestAddress.toString(16)} with that ` +
          `size and user address`,
      );
    });
  });
}

/** No ring is in work while memory goes away; afterwards rings are looked up anew. */
async function paused(session: BackendSession, change: () => void): Promise<void> {
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
