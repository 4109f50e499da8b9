import type { QueueFault } from "./types.ts";

const FREE = -1;
/** A used element or descriptor cannot name more. */
const MAX_LENGTH = 0xffff_ffff;

/**
 * The common part of the driver halves of both formats: the outstanding chains, by id. The device
 * could overwrite whatever is in the ring, so the facts about a chain are kept here, in private
 * memory.
 *
 * It is a base class because every request passes here: with a separate object each of these fields
 * would cost one more load and one more check.
 */
export abstract class DriverHalf {
  outstanding = 0;
  broken: QueueFault | undefined;
  overlongCompletions = 0;
  overlongLength = 0;
  /**
   * Numbers of added and of published chains: signed 32-bit, wrapping. A counter without wrap would
   * be allocated at each request from 2^31 on.
   */
  protected addedChains: number;
  protected publishedChains: number;
  readonly #tokens: Int32Array;
  readonly #writable: Uint32Array;
  /** By id: the value of {@link addedChains} when the chain was added. */
  readonly #order: Int32Array;

  /**
   * @param size entries of the ring; ids are below
   * @param first the value at which the counters begin
   */
  constructor(size: number, first = 0) {
    this.addedChains = this.publishedChains = first;
    this.#tokens = new Int32Array(size).fill(FREE);
    this.#writable = new Uint32Array(size);
    this.#order = new Int32Array(size);
  }

  /** The number of chains that were added and not published. */
  protected get unpublished(): number {
    return (this.addedChains - this.publishedChains) | 0;
  }

  /**
   * Records a new chain; {@link countAdded} counts it.
   *
   * @param id an id that no other outstanding chain has
   * @param place the place among those that are counted together
   */
  protected record(id: number, token: number, writable: number, place: number): void {
    this.#tokens[id] = token;
    this.#writable[id] = writable > MAX_LENGTH ? MAX_LENGTH : writable;
    this.#order[id] = (this.addedChains + place) | 0;
  }

  protected countAdded(count: number): void {
    this.addedChains = (this.addedChains + count) | 0;
    this.outstanding += count;
  }

  /** Returns whether the device has a chain of this id, which may be any number. */
  protected isPublished(id: number): boolean {
    if ((this.#tokens[id] ?? FREE) === FREE) return false;
    return (((this.#order[id] ?? 0) - this.publishedChains) | 0) < 0;
  }

  protected token(id: number): number {
    return this.#tokens[id] ?? FREE;
  }

  protected writable(id: number): number {
    return this.#writable[id] ?? 0;
  }

  /**
   * Removes a chain that has completed.
   *
   * @param length bytes that the device says it wrote
   * @returns that, but no more than the chain's writable bytes
   */
  protected remove(id: number, length: number): number {
    const writable = this.#writable[id] ?? 0;
    this.#tokens[id] = FREE;
    this.outstanding -= 1;
    if (length <= writable) return length;
    this.overlongCompletions += 1;
    this.overlongLength = length;
    return writable;
  }

  /** The ids of outstanding chains, in the order in which they were added. */
  protected oldestFirst(): number[] {
    const age = (id: number): number => (this.addedChains - (this.#order[id] ?? 0)) | 0;
    const ids = Array.from(this.#tokens.keys()).filter((id) => this.#tokens[id] !== FREE);
    return ids.sort((a, b) => age(b) - age(a));
  }

  /**
   * Drops every chain and begins to count at 0.
   *
   * @returns their tokens
   */
  protected removeAll(): Int32Array {
    const tokens = this.#tokens.filter((token) => token !== FREE);
    this.#tokens.fill(FREE);
    this.outstanding = this.addedChains = this.publishedChains = 0;
    this.broken = undefined;
    return tokens;
  }
}
