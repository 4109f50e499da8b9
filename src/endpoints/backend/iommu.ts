import { MemoryAccessError, ProtocolError } from "../../core/base/index.ts";
import { Iotlb, type RegionTable } from "../../core/memory/index.ts";
import { type Iotlb as IotlbMessage, IotlbType } from "../../core/protocol/index.ts";
import type { Vring } from "./vring.ts";

/** Milliseconds before a question that was not answered may be repeated. */
const REST_MS = 1000;

export interface BackendIommuOptions {
  readonly memory: RegionTable;
  readonly vrings: () => readonly Vring[];
  /** Sends IOTLB_MSG on the back-end channel; resolves once it is acknowledged. */
  readonly ask: (message: IotlbMessage) => Promise<void>;
  readonly onProblem: (problem: Error) => void;
}

/**
 * The I/O virtual addresses of a session (specification: "IOMMU support"): requests the
 * translations that its rings miss, and wakes the rings when they arrive.
 */
export class BackendIommu {
  readonly iotlb: Iotlb;
  readonly #options: BackendIommuOptions;
  /** Asks the unanswered questions again, as long as a ring waits. */
  #rest: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: BackendIommuOptions) {
    this.#options = options;
    this.iotlb = new Iotlb(options.memory, (iova, permissions, answered) => {
      this.#ask(iova, permissions).then(answered, (error: unknown) => {
        answered();
        this.#unanswered(iova, error);
      });
    });
  }

  /**
   * IOTLB_MSG.
   *
   * @throws {ProtocolError | MemoryAccessError}
   */
  async take({ type, iova, size, userAddress, permissions }: IotlbMessage): Promise<void> {
    if (type === IotlbType.Update) {
      this.iotlb.update(iova, size, userAddress, permissions);
      for (const vring of this.#options.vrings()) vring.translationCame();
    } else if (type === IotlbType.Invalidate) {
      await this.#invalidate(iova, size);
    } else {
      throw new ProtocolError(
        `VHOST_USER_IOTLB_MSG: expected type ${IotlbType.Update} (update) or ${IotlbType.Invalidate} (invalidate), got ${type}`,
        { request: "VHOST_USER_IOTLB_MSG", field: "type" },
      );
    }
  }

  /** Stops requesting translations and waking rings. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#rest);
  }

  /** Resolves once nothing uses the range; rings with a part in it wait for an update. */
  async #invalidate(iova: bigint, size: bigint): Promise<void> {
    const end = this.iotlb.endOf(iova, size);
    const users = this.#options.vrings().filter((vring) => vring.usesTranslations(iova, end));
    try {
      for (const vring of users) await vring.quiesce();
      this.iotlb.invalidate(iova, size);
    } finally {
      for (const vring of users) vring.resume();
    }
  }

  async #ask(iova: number, permissions: number): Promise<void> {
    const message = { iova: BigInt(iova), size: 0n, userAddress: 0n, permissions };
    await this.#options.ask({ ...message, type: IotlbType.Miss });
  }

  /** Reported at most once while it rests: a driver may kick at any rate. */
  #unanswered(iova: number, cause: unknown): void {
    if (this.#closed || this.#rest !== undefined) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#options.onProblem(
      new MemoryAccessError(
        `the front-end gave no translation of IOVA 0x${iova.toString(16)}; requests that need it wait: ${reason}`,
        { cause },
      ),
    );
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      for (const vring of this.#options.vrings()) vring.translationCame();
    }, REST_MS).unref();
  }
}
