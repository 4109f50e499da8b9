import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/core/memory/index.ts";
import { EventFd, type OwnedFd, type UnixSocket } from "../../../src/core/os/index.ts";
import {
  FrontendRequest,
  HeaderFlag,
  ProtocolFeature,
  requestSpec,
  VirtioFeature,
} from "../../../src/core/protocol/index.ts";
import {
  connectSocket,
  type Frame,
  frameBytes,
  UnixChannel,
} from "../../../src/core/transport/index.ts";
import { SplitDriverQueue } from "../../../src/core/virtqueue/index.ts";
import { until } from "./session.ts";

export interface SendOptions {
  /** Default: a plain request. */
  readonly flags?: number;
  readonly fds?: readonly OwnedFd[];
  /** Size field; default: the payload's size. */
  readonly size?: number;
}

export const ALL_PROTOCOL_FEATURES: bigint =
  ProtocolFeature.Mq |
  ProtocolFeature.ReplyAck |
  ProtocolFeature.BackendReq |
  ProtocolFeature.ResetDevice |
  ProtocolFeature.ConfigureMemSlots |
  ProtocolFeature.Status |
  ProtocolFeature.Config;

const NEED_REPLY = HeaderFlag.Version | HeaderFlag.NeedReply;

/** A front-end that sends whatever it is told to. */
export class RawFrontend {
  readonly channel: UnixChannel;
  readonly replies: Frame[] = [];
  closed = false;
  #featuresAsked = 0;

  private constructor(channel: UnixChannel) {
    this.channel = channel;
    void channel.closed.then(() => {
      this.closed = true;
    });
  }

  /** @param reading whether it reads what comes back */
  static async connect(path: string, reading = true): Promise<RawFrontend> {
    return RawFrontend.on(await connectSocket(path), reading);
  }

  /** As {@link connect}, on a connection that is there already. */
  static on(socket: UnixSocket, reading = true): RawFrontend {
    const raw = new RawFrontend(new UnixChannel(socket));
    if (reading) {
      raw.channel.onFrame((frame) => {
        raw.replies.push({ ...frame, fds: [] });
      });
    }
    return raw;
  }

  /** As {@link connect}, with features acknowledged. */
  static async negotiated(path: string, features = ALL_PROTOCOL_FEATURES): Promise<RawFrontend> {
    const raw = await RawFrontend.connect(path);
    await raw.send(FrontendRequest.SetProtocolFeatures, features);
    const ring = VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures;
    await raw.send(FrontendRequest.SetFeatures, ring);
    return raw;
  }

  /** @param payload bytes, or a value for the request's codec; a peer that has closed is no error */
  async send(request: number, payload?: unknown, options: SendOptions = {}): Promise<void> {
    const codec = requestSpec("front-end", request)?.payload;
    const bytes = payload instanceof Uint8Array ? payload : codec?.encode(payload);
    assert.ok(bytes);
    if (request === FrontendRequest.GetFeatures) this.#featuresAsked += 1;
    const { flags = HeaderFlag.Version, fds = [], size = bytes.length } = options;
    const frame = { header: { request, flags, size }, payload: bytes, fds: [] };
    await this.channel.sendBytes(frameBytes(frame), fds).catch(() => undefined);
  }

  /** Sends with need_reply; the value that comes back, or `closed`. */
  async ask(
    request: number,
    payload?: unknown,
    fds: readonly OwnedFd[] = [],
  ): Promise<bigint | "closed"> {
    const before = this.replies.length;
    await this.send(request, payload, { flags: NEED_REPLY, fds });
    await until(() => this.closed || this.replies.length > before, `a reply to ${request}`);
    const reply = this.replies[before];
    if (reply === undefined) return "closed";
    assert.equal(reply.header.request, request);
    const { payload: value } = reply;
    return value.length < 8 ? 0n : Buffer.from(value).readBigUInt64LE(0);
  }

  /** Whether the back-end still answers, or has closed; it must do either. */
  async isAlive(): Promise<boolean> {
    await this.send(FrontendRequest.GetFeatures);
    await until(
      () => this.closed || this.#featuresAnswered() >= this.#featuresAsked,
      "an answer or the end",
    );
    return !this.closed;
  }

  close(): void {
    this.channel.close();
  }

  #featuresAnswered(): number {
    return this.replies.filter(({ header }) => header.request === FrontendRequest.GetFeatures)
      .length;
  }
}

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
      { request: FrontendRequest.SetProtocolFeatures, payload: ALL_PROTOCOL_FEATURES },
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
