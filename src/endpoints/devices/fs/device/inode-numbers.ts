/** The file system and the inode that stat(2) names. */
export interface Inode {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Bits of an inode number that are kept; the bits above them number the file systems. */
const KEPT_BITS = 48n;
const MASK = (1n << KEPT_BITS) - 1n;
/** The number of the root's file system, whose inodes keep their numbers. */
const ROOT_SYSTEM = 0n;
/** The number for inodes that are too large to be kept: they are counted instead. */
const COUNTED = 0xffffn;

/**
 * Numbers the inodes of a tree that spans several file systems. A driver sees one file system, in
 * which two files must not have one number: `tar` and `cp -a` would take one for a hard link of the
 * other. The root's file system keeps its numbers; those of a file system that is mounted below it
 * get a number of their own in the upper 16 bits. A number stays the same while this object lives.
 */
export class InodeNumbers {
  readonly #systems = new Map<bigint, bigint>();
  /** Inodes whose number needs the upper bits, or whose file system has none left. */
  readonly #counted = new Map<string, bigint>();

  /** @param rootDevice the device of the root */
  constructor(rootDevice: bigint) {
    this.#systems.set(rootDevice, ROOT_SYSTEM);
  }

  /** Returns the number that a driver sees. */
  of({ dev, ino }: Inode): bigint {
    const system = this.#systemOf(dev);
    if (ino <= MASK && system < COUNTED) return (system << KEPT_BITS) | ino;
    const key = `${dev}:${ino}`;
    const known = this.#counted.get(key);
    if (known !== undefined) return known;
    const number = (COUNTED << KEPT_BITS) | BigInt(this.#counted.size);
    this.#counted.set(key, number);
    return number;
  }

  /** Returns the number of a file system; {@link COUNTED} when 65,535 of them have one. */
  #systemOf(dev: bigint): bigint {
    const known = this.#systems.get(dev);
    if (known !== undefined) return known;
    const next = BigInt(this.#systems.size);
    if (next >= COUNTED) return COUNTED;
    this.#systems.set(dev, next);
    return next;
  }
}
