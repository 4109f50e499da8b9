import { Deferred } from "../../../../core/base/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import {
  BackendRequest,
  decodeLenient,
  FrontendRequest,
  type Iotlb,
  IotlbPermission,
  IotlbType,
  ProtocolFeature,
  requestSpec,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import { BackChannel } from "./back-channel.ts";
import { bringUp } from "./bring-up.ts";
import type { RunningDevice } from "./running-device.ts";
import { PAGE, type SuiteMemory } from "./memory.ts";
import { Flags } from "../../../wire/index.ts";
import { type Session } from "./session.ts";

const { BackendReq, Config, Mq, ReplyAck } = ProtocolFeature;
const PROTOCOL = BackendReq | ReplyAck | Config | Mq;

/** A translation that differs from the default. */
interface Page {
  /** The user address of the page; undefined if it has no translation. */
  readonly userAddress: bigint | undefined;
  readonly permissions: number;
}

/** The IOMMU of a check: answers a back-end's misses, page by page. */
export class SuiteIommu {
  /** The BACKEND_IOTLB_MSG messages, in order. */
  readonly asked: Iotlb[] = [];
  readonly #session: Session;
  readonly #memory: SuiteMemory;
  readonly #timeoutMs: number;
  /** The pages, by address. */
  readonly #pages = new Map<number, Page>();
  /** Acknowledgements that are due, in order. */
  readonly #due: Deferred<bigint>[] = [];

  /**
   * A channel whose misses are answered.
   *
   * @throws {CaseFailure} it is not accepted
   */
  static async attach(t: CheckContext, session: Session, memory: SuiteMemory): Promise<SuiteIommu> {
    const iommu = t.closing(new SuiteIommu(session, memory, t.times.answerMs));
    await BackChannel.give(t, session, async (request, payload) => iommu.#serve(request, payload));
    return iommu;
  }

  private constructor(session: Session, memory: SuiteMemory, timeoutMs: number) {
    this.#session = session;
    this.#memory = memory;
    this.#timeoutMs = timeoutMs;
    session.putAside(FrontendRequest.IotlbMsg, ({ payload }) => {
      const ack = payload.length < 8 ? -1n : Buffer.from(payload).readBigUInt64LE(0);
      this.#due.shift()?.resolve(ack);
    });
  }

  /** Changes the translation of a page; the target still needs an update or an invalidation. */
  map({ address }: GuestBuffer, to: Partial<Page>, page = 0): void {
    const { userAddress, permissions = IotlbPermission.ReadWrite } = to;
    this.#pages.set(address + page * PAGE, { userAddress, permissions });
  }

  /** Restores the translation from before {@link map}. */
  restore({ address }: GuestBuffer): void {
    this.#pages.delete(address);
  }

  /** Returns the misses for this page. */
  about({ address }: GuestBuffer): readonly Iotlb[] {
    return this.asked.filter(({ iova }) => Number(iova) - (Number(iova) % PAGE) === address);
  }

  /**
   * Invalidates a page.
   *
   * @returns the acknowledgement; undefined if none came in time
   */
  async invalidate({ address }: GuestBuffer): Promise<bigint | undefined> {
    return this.#send({
      iova: BigInt(address),
      size: BigInt(PAGE),
      userAddress: 0n,
      permissions: IotlbPermission.None,
      type: IotlbType.Invalidate,
    });
  }

  /**
   * Sends an update for a page, with or without a miss.
   *
   * @returns the acknowledgement; 1: the page has no translation
   */
  async update(address: number): Promise<bigint | undefined> {
    const linear = this.#memory.userAt(address);
    const all = { userAddress: linear, permissions: IotlbPermission.ReadWrite };
    const { userAddress, permissions } = this.#pages.get(address) ?? all;
    if (userAddress === undefined) return 1n;
    const [iova, size] = [BigInt(address), BigInt(PAGE)];
    return this.#send({ iova, size, userAddress, permissions, type: IotlbType.Update });
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    for (const due of this.#due.splice(0)) due.reject(new Error("the check is over"));
  }

  /** Like QEMU, waits for the acknowledgement of the update before it answers the miss. */
  async #serve(request: number, payload: Uint8Array): Promise<bigint> {
    const codec = requestSpec("back-end", request)?.payload;
    if (request !== BackendRequest.IotlbMsg || codec === undefined) return 0n;
    if (payload.length < codec.minSize) return 1n;
    const message = decodeLenient(codec, payload) as Iotlb;
    this.asked.push(message);
    const iova = Number(message.iova);
    // A report of a forbidden access has the same answer: checks distinguish the two.
    return (await this.update(iova - (iova % PAGE))) ?? 1n;
  }

  async #send(message: Iotlb): Promise<bigint | undefined> {
    const due = new Deferred<bigint>({ timeoutMs: this.#timeoutMs });
    this.#due.push(due);
    await this.#session.send(FrontendRequest.IotlbMsg, message, { flags: Flags.NeedReply });
    return due.promise.catch(() => undefined);
  }
}

/**
 * A session with VIRTIO_F_ACCESS_PLATFORM, and memory that is shared.
 *
 * @throws {CaseFailure}
 */
export async function behindIommu(
  t: CheckContext,
): Promise<{ readonly session: Session; readonly memory: SuiteMemory }> {
  const session = await t.negotiatedSession(t.usualVirtio | VirtioFeature.AccessPlatform, PROTOCOL);
  const memory = t.createMemory({ iommu: true });
  await t.share(session, memory);
  return { session, memory };
}

/**
 * A device that runs behind an IOMMU.
 *
 * @throws {CaseFailure | CaseSkip} as {@link bringUp}
 */
export async function upBehindIommu(
  t: CheckContext,
): Promise<RunningDevice & { readonly iommu: SuiteIommu }> {
  const { session, memory } = await behindIommu(t);
  const iommu = await SuiteIommu.attach(t, session, memory);
  return { ...(await bringUp(t, { session, memory })), iommu };
}
