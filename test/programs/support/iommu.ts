import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  BackendServer,
  type BackendSession,
  type Device,
} from "../../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../src/endpoints/storage/index.ts";
import {
  FrontendRequest,
  IotlbType,
  singleMemoryRegion,
} from "../../../src/core/protocol/index.ts";
import { listen } from "../../coverage/heard.ts";
import { diskImage, temporaryDirectory } from "./temporary.ts";

/** What makes QEMU put a virtio device behind the virtual IOMMU. */
export const BEHIND_IOMMU = "iommu_platform=on,ats=on,disable-legacy=on";

export interface ServedBehindIommu {
  readonly path: string;
  readonly sessions: BackendSession[];
  readonly problems: string[];
  /** Of the regions that QEMU added. */
  readonly mmapOffsets: bigint[];
  /** Requests and features that passed. */
  readonly heard: ReturnType<typeof listen>;
  readonly messages: { misses: number; updates: number; invalidations: number };
}

/** A back-end that offers an IOMMU, and counts what passes about translations. */
export async function serveBehindIommu(
  t: TestContext,
  name: string,
  device: () => Device,
): Promise<ServedBehindIommu> {
  const path = join(temporaryDirectory(t), name);
  const served: ServedBehindIommu = {
    path,
    sessions: [],
    problems: [],
    mmapOffsets: [],
    heard: listen(),
    messages: { misses: 0, updates: 0, invalidations: 0 },
  };
  const server = await BackendServer.listen(path, {
    device,
    iommu: true,
    onSession: (session) => served.sessions.push(session),
    onProblem: ({ message }) => served.problems.push(message),
    observe: (way, frame, direction) => {
      served.heard.observe(way, frame, direction);
      const { header, payload } = frame;
      if (way === "received" && header.request === FrontendRequest.AddMemReg) {
        const { region } = singleMemoryRegion.decode(payload);
        served.mmapOffsets.push(region.mmapOffset);
      }
      if (payload.length !== 32) return;
      if (way === "sent") served.messages.misses += 1;
      else if (header.request === FrontendRequest.IotlbMsg) {
        if (payload[25] === IotlbType.Update) served.messages.updates += 1;
        else served.messages.invalidations += 1;
      }
    },
  });
  t.after(() => server.close());
  return served;
}

/** A disk of random bytes with a back-end of two queues by default. */
export async function serveDiskBehindIommu(t: TestContext, size: number, queues = 2) {
  const before = randomBytes(size);
  const image = diskImage(temporaryDirectory(t), size, before);
  const storage = BlockStorage.open(image);
  t.after(() => storage.close());
  const device = (): Device => new BlockDevice({ storage, queues });
  return { ...(await serveBehindIommu(t, "disk.sock", device)), before, image };
}
