import { StateError } from "../../core/base/index.ts";
import type { Region } from "../../core/memory/index.ts";
import { type OwnedFd, Userfault } from "../../core/os/index.ts";
import type { MemoryTable } from "../../core/protocol/index.ts";

/**
 * The destination's part in a postcopy migration (specification: "Migration"): memory is used before
 * it has arrived, and the front-end brings the pages that are touched.
 *
 * ADVISE, LISTEN, the table and our addresses in answer to it, the front-end's confirmation, END.
 */
export class Postcopy {
  #userfault: Userfault | undefined;
  #stage: "none" | "advised" | "listening" | "answered" | "running" = "none";
  #mapped: readonly Region[] = [];

  /** Returns whether the next table is to be answered with our addresses. */
  get wantsTable(): boolean {
    return this.#stage === "listening";
  }

  /** Returns whether the next table is the front-end's confirmation. */
  get wantsConfirmation(): boolean {
    return this.#stage === "answered";
  }

  /**
   * Begins postcopy and returns a userfault descriptor for the front-end (POSTCOPY_ADVISE).
   *
   * @throws {SystemError} `EPERM` without CAP_SYS_PTRACE, `ENOSYS`
   */
  advise(): OwnedFd {
    this.close();
    this.#userfault = Userfault.open();
    this.#stage = "advised";
    return this.#userfault.descriptor.duplicate();
  }

  /**
   * POSTCOPY_LISTEN.
   *
   * @throws {StateError} not advised, or there is memory already
   */
  listen(hasMemory: boolean): void {
    if (this.#stage !== "advised") {
      throw new StateError(
        "VHOST_USER_POSTCOPY_LISTEN: VHOST_USER_POSTCOPY_ADVISE must come first",
      );
    }
    if (hasMemory) {
      throw new StateError(
        "VHOST_USER_POSTCOPY_LISTEN: memory is mapped already; it must come before the memory table",
      );
    }
    this.#stage = "listening";
  }

  /**
   * Returns the addresses of these regions in this process (SET_MEM_TABLE). They are not accessed
   * before they are confirmed.
   *
   * @param regions taken over until {@link confirm}
   */
  addressesOf(regions: readonly Region[]): MemoryTable {
    this.#mapped = regions;
    const table = regions.map(({ description, hostAddress }) => {
      return { ...description, userAddress: hostAddress };
    });
    this.#stage = "answered";
    return { regions: table };
  }

  /**
   * The front-end is ready to bring pages.
   *
   * @throws {SystemError} a region cannot be registered
   */
  confirm(): readonly Region[] {
    const regions = this.#mapped;
    try {
      for (const { mapping } of regions) {
        if (mapping !== undefined) this.#userfault?.register(mapping);
      }
    } catch (error) {
      this.#drop();
      throw error;
    }
    this.#mapped = [];
    this.#stage = "running";
    // The front-end's is the last one: when it goes away, no thread waits for its pages any more.
    this.#userfault?.close();
    return regions;
  }

  /**
   * Ends postcopy: all pages have arrived (POSTCOPY_END).
   *
   * @throws {StateError} postcopy did not begin
   */
  end(): void {
    if (this.#stage === "none") {
      throw new StateError("VHOST_USER_POSTCOPY_END: VHOST_USER_POSTCOPY_ADVISE must come first");
    }
    this.close();
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#drop();
    this.#userfault?.close();
    this.#userfault = undefined;
    this.#stage = "none";
  }

  #drop(): void {
    for (const region of this.#mapped) region.close();
    this.#mapped = [];
  }
}
