import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/core/memory/index.ts";
import { EventFd, type OwnedFd } from "../../../src/core/os/index.ts";
import { FrontendRequest, VirtioFeature } from "../../../src/core/protocol/index.ts";
import { SplitDriverQueue } from "../../../src/core/virtqueue/index.ts";
import { RAW_PROTOCOL_FEATURES, type RawFrontend } from "../../../src/lab/wire/index.ts";

/** Memory, a ring and descriptors as a proper front-end would share them. */
export class RawRingParts {
  readonly memory = new GuestMemory({ size: 1 << 16 });
  readonly ring = new SplitDriverQueue({
    size: 16,
    memory: this.memory,
    features: { eventIdx: false, indirect: false },
  });
  readonly kick = EventFd.create();
  readonly call = EventFd.create();

  /** The messages of a full bring-up, in order. */
  get steps(): { request: number; payload?: unknown; fds?: readonly OwnedFd[] }[] {
    const [region] = this.memory.regions;
    assert.ok(region);
    const { description, fd } = region;
    const index = 0;
    return [
      { request: FrontendRequest.GetFeatures },
      { request: FrontendRequest.GetProtocolFeatures },
      { request: FrontendRequest.SetProtocolFeatures, payload: RAW_PROTOCOL_FEATURES },
      { request: FrontendRequest.GetQueueNum },
      { request: FrontendRequest.SetOwner },
      {
        request: FrontendRequest.SetFeatures,
        payload: VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures,
      },
      {
        request: FrontendRequest.SetMemTable,
        payload: { regions: [description] },
        fds: [fd],
      },
      { request: FrontendRequest.SetVringNum, payload: { index, num: 16 } },
      { request: FrontendRequest.SetVringBase, payload: { index, num: 0 } },
      { request: FrontendRequest.SetVringAddr, payload: this.address },
      {
        request: FrontendRequest.SetVringCall,
        payload: { index, noFd: false },
        fds: [this.call.descriptor],
      },
      {
        request: FrontendRequest.SetVringKick,
        payload: { index, noFd: false },
        fds: [this.kick.descriptor],
      },
      { request: FrontendRequest.SetVringEnable, payload: { index, num: 1 } },
      { request: FrontendRequest.SetVringEnable, payload: { index, num: 0 } },
      { request: FrontendRequest.GetVringBase, payload: { index, num: 0 } },
    ];
  }

  get address() {
    const { descriptors, driver, device } = this.ring.parts;
    return {
      index: 0,
      flags: 0,
      descriptor: descriptors.userAddress,
      available: driver.userAddress,
      used: device.userAddress,
      log: 0n,
    };
  }

  /** Sends the first of the steps. */
  async bringUp(raw: RawFrontend, count: number): Promise<void> {
    for (const { request, payload, fds = [] } of this.steps.slice(0, count)) {
      await raw.send(request, payload, { fds });
    }
  }

  close(): void {
    this.kick.close();
    this.call.close();
    this.memory.close();
  }
}
