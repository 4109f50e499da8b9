import type { TestContext } from "node:test";
import type { RingOptions } from "../../../src/endpoints/backend/index.ts";
import type { Client, ClientQueue } from "../../../src/endpoints/frontend/index.ts";
import { LOG_PAGE_SIZE, PageLog } from "../../../src/endpoints/frontend/migration/page-log.ts";
import type { GuestBuffer } from "../../../src/core/memory/index.ts";
import { VirtioFeature } from "../../../src/core/protocol/index.ts";
import { SegmentList } from "../../../src/core/virtqueue/index.ts";
import { header } from "./block.ts";
import { connectDisk, type Served, serveDisk } from "./session.ts";

/** Where used rings are logged instead of at their own address, which is outside of memory. */
export const RING_LOG_ADDRESS = 0x123_4000;
/** Guest addresses below this have a bit in the log. */
const LOG_END = 0x1_1000_0000;

/** A block device's ring, and a log of what the device writes. */
export class LoggedDisk {
  readonly served: Served;
  readonly client: Client;
  readonly queue: ClientQueue;
  readonly log = new PageLog(LOG_END);
  /** A page that holds the header, pages for data, a page that ends with the status byte. */
  readonly head: GuestBuffer;
  readonly data: GuestBuffer;
  readonly tail: GuestBuffer;
  readonly #done: (() => void)[] = [];

  private constructor(served: Served, client: Client) {
    this.served = served;
    this.client = client;
    const page = (count: number) => client.memory.allocate(count * LOG_PAGE_SIZE, LOG_PAGE_SIZE);
    [this.head, this.data, this.tail] = [page(1), page(8), page(1)];
    this.queue = client.createQueue({
      index: 0,
      size: 16,
      ringMode: "event",
      handler: {
        done: () => this.#done.shift()?.(),
        failed: () => undefined,
      },
    });
    // What the driver allocates next shares no page with the ring.
    page(1);
  }

  static async start(
    t: TestContext,
    rings: RingOptions,
    packed: boolean,
    iommu = false,
  ): Promise<LoggedDisk> {
    const served = await serveDisk(t, (options) => ({ ...options, rings, iommu }));
    const disk = new LoggedDisk(served, await connectDisk(t, served, { packed, iommu }));
    t.after(() => disk.log.close());
    await disk.client.startQueue(disk.queue);
    return disk;
  }

  async setLogBase(): Promise<void> {
    await this.client.requests.setLogBase(this.log.description, this.log.fd);
  }

  /** VHOST_F_LOG_ALL */
  async setLogAll(on: boolean): Promise<void> {
    const { requests, features } = this.client;
    await requests.setFeatures(
      on ? features | VirtioFeature.LogAll : features & ~VirtioFeature.LogAll,
    );
  }

  /** VHOST_VRING_F_LOG */
  async setRingLog(on: boolean): Promise<void> {
    const { descriptors, driver, device } = this.queue.ring.parts;
    await this.client.requests.setVringAddr({
      index: 0,
      flags: on ? 1 : 0,
      descriptor: descriptors.ringAddress,
      available: driver.ringAddress,
      used: device.ringAddress,
      log: BigInt(RING_LOG_ADDRESS),
    });
  }

  /** Carries one request out: `into` are [offset in data, bytes] of what the device may write. */
  async request(
    type: number,
    sector: number,
    ...into: readonly (readonly [offset: number, bytes: number])[]
  ): Promise<number> {
    this.head.bytes.set(header(type, sector));
    const segments = new SegmentList(8);
    segments.pushPart(this.head, 0, 16);
    for (const [offset, bytes] of into) segments.pushPart(this.data, offset, bytes);
    segments.pushPart(this.tail, LOG_PAGE_SIZE - 1, 1);
    const done = new Promise<void>((resolve) => this.#done.push(resolve));
    this.queue.add(segments, 1, 0);
    this.queue.publish();
    await done;
    return this.tail.bytes[LOG_PAGE_SIZE - 1] ?? -1;
  }

  /** Marked since the last look. */
  marked(): number[] {
    const pages: number[] = [];
    this.log.take((page) => pages.push(page));
    return pages;
  }
}

export function pageOf({ guestAddress }: { guestAddress: number }, index = 0): number {
  return Math.floor(guestAddress / LOG_PAGE_SIZE) + index;
}
