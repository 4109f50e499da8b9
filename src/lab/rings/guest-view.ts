import type { OwnedFd } from "../../core/os/index.ts";
import type { Iotlb } from "../../core/protocol/index.ts";
import type { TraceDescriptor, TracedRegion } from "../trace/index.ts";
import { IovaTable } from "./iova-table.ts";
import { fileSystemOf } from "./file-system.ts";
import { SharedFile } from "./shared-file.ts";

interface ViewedRegion {
  readonly guest: number;
  readonly user: number;
  readonly size: number;
  /** Offset of the region in its file. */
  readonly offset: number;
  readonly file: SharedFile;
}

/** The address space of an address: the front-end's own, the guest's, or one behind an IOMMU. */
export type AddressSpace = "user" | "guest" | "iova";

/** A session's memory, read from duplicates of the descriptors that passed. */
export class GuestView {
  readonly #files = new Map<TraceDescriptor, SharedFile>();
  #regions: readonly ViewedRegion[] = [];
  readonly #translations = new IovaTable();
  #problem = "";

  /** The reason why the last read was short. */
  get problem(): string {
    return this.#problem;
  }

  /**
   * Takes the regions that a session has now.
   *
   * @param passed the descriptors of the message that changed them, which are duplicated
   * @throws SystemError a descriptor cannot be duplicated
   */
  update(
    regions: readonly TracedRegion[],
    passed: readonly TraceDescriptor[],
    descriptors: readonly OwnedFd[],
  ): void {
    const viewed: ViewedRegion[] = [];
    const kept = new Set<TraceDescriptor>();
    for (const { name, descriptor, guestAddress, userAddress, size, mmapOffset } of regions) {
      if (descriptor === undefined) continue;
      const file = this.#files.get(descriptor) ?? this.#open(name, descriptor, passed, descriptors);
      if (file === undefined) continue;
      kept.add(descriptor);
      const [guest, user] = [Number(guestAddress), Number(userAddress)];
      const [bytes, offset] = [Number(size), Number(mmapOffset)];
      // Arithmetic on larger addresses is not exact: no program has them.
      const isExact = [guest + bytes, user + bytes, offset + bytes].every(Number.isSafeInteger);
      if (isExact) viewed.push({ guest, user, size: bytes, offset, file });
    }
    this.#regions = viewed;
    for (const [descriptor, file] of this.#files) {
      if (kept.has(descriptor)) continue;
      this.#files.delete(descriptor);
      file.close();
    }
  }

  /** Applies an IOTLB message of the front-end. */
  translate(message: Iotlb): void {
    this.#translations.apply(message);
  }

  /** Forgets every translation. */
  forgetTranslations(): void {
    this.#translations.clear();
  }

  /**
   * Reads memory, across regions where they follow on one another.
   *
   * @returns the bytes read; fewer where no memory is or it cannot be read, which `problem` explains
   */
  read(
    space: AddressSpace,
    address: number,
    target: Uint8Array,
    at: number,
    length: number,
  ): number {
    let done = 0;
    while (done < length) {
      const part = this.#readPart(space, address + done, target, at + done, length - done);
      if (part === 0) break;
      done += part;
    }
    return done;
  }

  /** Releases the descriptors. Idempotent. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    this.#regions = [];
  }

  #open(
    name: string,
    descriptor: TraceDescriptor,
    passed: readonly TraceDescriptor[],
    descriptors: readonly OwnedFd[],
  ): SharedFile | undefined {
    const borrowed = descriptors[passed.indexOf(descriptor)];
    if (borrowed === undefined) return undefined;
    const type = fileSystemOf(borrowed.fd);
    if (type?.startsWith("fuse") === true) {
      const why = "reading it would wait for the program that serves it";
      throw new Error(`rings in ${name} are not followed: it is a file of ${type}, ${why}`);
    }
    const file = new SharedFile(name, borrowed.duplicate());
    this.#files.set(descriptor, file);
    return file;
  }

  #readPart(
    space: AddressSpace,
    address: number,
    target: Uint8Array,
    at: number,
    length: number,
  ): number {
    if (space === "iova") {
      const found = this.#translations.find(address);
      if (found === undefined) return this.#nothingAt(address, "has no translation");
      const user = found.user + (address - found.start);
      return this.#readPart("user", user, target, at, Math.min(length, found.end - address));
    }
    for (const { guest, user, size, offset, file } of this.#regions) {
      const from = address - (space === "guest" ? guest : user);
      if (from < 0 || from >= size) continue;
      const wanted = Math.min(length, size - from);
      const count = file.read(offset + from, target, at, wanted);
      if (count < wanted) this.#problem = file.problem ?? "";
      return count;
    }
    return this.#nothingAt(address, "is not in guest memory");
  }

  #nothingAt(address: number, what: string): number {
    this.#problem = `0x${address.toString(16)} ${what}`;
    return 0;
  }
}
