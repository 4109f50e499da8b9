import { counted } from "../../../core/base/index.ts";
import type { Check } from "../../conformance/kit/check.ts";
import { type Fuse, fuseOf, ROOT } from "./fuse.ts";

const NEEDS = { device: ["fs"], request: true } as const;
/** Files that are looked up, at most, and the depth of the tree. */
const MOST_FILES = 300;
const DEPTH = 3;
/** Comparisons of two files: programs of the host may change one between its two answers. */
const LOOKS = 3;
const MEMORY_BYTES = 4 << 20;
/** Offsets of `struct fuse_attr` in the answers to LOOKUP and to GETATTR. */
const IN_ENTRY = 40;
const IN_ATTRIBUTES = 16;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
/** Bytes of two files that are compared, at most. */
const MOST_BYTES = 4096;

/** The part of a file's attributes in which it differs from another file. */
interface Attributes {
  readonly ino: bigint;
  readonly mode: number;
  readonly links: number;
  readonly size: bigint;
  /** Size, and the times of the last change of its content and of its attributes. */
  readonly state: string;
}

/** A file that was looked up. */
interface Seen extends Attributes {
  readonly path: string;
  readonly node: bigint;
}

function attributesAt(body: Buffer, at: number): Attributes {
  const size = body.readBigUInt64LE(at + 8);
  const seconds = [at + 32, at + 40].map((offset) => body.readBigUInt64LE(offset));
  const parts = [at + 52, at + 56].map((offset) => body.readUInt32LE(offset));
  return {
    ino: body.readBigUInt64LE(at),
    mode: body.readUInt32LE(at + 60),
    links: body.readUInt32LE(at + 64),
    size,
    state: [size, ...seconds, ...parts].join(" "),
  };
}

const isFolder = ({ mode }: Attributes): boolean => (mode & S_IFMT) === S_IFDIR;

/** Returns whether two attributes are not of one file. One with several links may have several nodes. */
function differ(a: Attributes, b: Attributes): boolean {
  if ((a.mode & S_IFMT) !== (b.mode & S_IFMT)) return true;
  return (isFolder(a) || isSingle(a, b)) && a.state !== b.state;
}

const isSingle = (a: Attributes, b: Attributes): boolean => a.links === 1 && b.links === 1;

/** Returns whether two regular files that look alike, as those of one moment do, have other content. */
async function contentDiffers(fuse: Fuse, a: Seen, b: Seen): Promise<boolean> {
  const isFile = (a.mode & S_IFMT) === S_IFREG && isSingle(a, b) && a.size > 0n;
  if (!isFile) return false;
  const release = fuse.device.memory.mark();
  const size = Math.min(Number(a.size), MOST_BYTES);
  const [first, second] = [
    await fuse.content(a.node, 0, size),
    await fuse.content(b.node, 0, size),
  ];
  release();
  return !first.equals(second);
}

/** Looks up what is below a folder. */
async function walk(fuse: Fuse, folder: Pick<Seen, "node" | "path">, seen: Seen[], depth = 0) {
  const { memory } = fuse.device;
  const release = memory.mark();
  const names = await fuse.names(folder.node);
  release();
  for (const name of names) {
    if (seen.length >= MOST_FILES) return;
    const forget = memory.mark();
    const { error, body } = await fuse.lookup(name, folder.node);
    const path = `${folder.path}/${name}`;
    const found = error === 0 ? attributesAt(body, IN_ENTRY) : undefined;
    const node = error === 0 ? body.readBigUInt64LE(0) : 0n;
    forget();
    if (found === undefined) continue;
    seen.push({ ...found, path, node });
    if (isFolder(found) && depth < DEPTH) await walk(fuse, { node, path }, seen, depth + 1);
  }
}

/** Returns whether two nodes still have one number and are different files, in each of several looks. */
async function stillCollide(fuse: Fuse, a: Seen, b: Seen): Promise<boolean> {
  for (let i = 0; i < LOOKS; i += 1) {
    const release = fuse.device.memory.mark();
    const [first, second] = [await fuse.attributes(a.node), await fuse.attributes(b.node)];
    release();
    if (first.error !== 0 || second.error !== 0) return false;
    const [now, other] = [first, second].map(({ body }) => attributesAt(body, IN_ATTRIBUTES));
    if (now === undefined || other === undefined) return false;
    if (now.ino !== other.ino) return false;
    if (!differ(now, other) && !(await contentDiffers(fuse, a, b))) return false;
  }
  return true;
}

/** Checks of inode numbers. */
export const fsInodes: readonly Check[] = [
  {
    id: "fs/18",
    title: "different files have different inode numbers, also on file systems below the root",
    strength: "MUST",
    section: "FUSE",
    observes: ["data"],
    slow: 2,
    needs: NEEDS,
    async run(t) {
      const fuse = await fuseOf(t, { size: MEMORY_BYTES });
      const root = await fuse.attributes(ROOT);
      t.expect("error of GETATTR", root.error, 0);
      const seen: Seen[] = [
        { ...attributesAt(root.body, IN_ATTRIBUTES), path: "the root", node: ROOT },
      ];
      await walk(fuse, { node: ROOT, path: "" }, seen);
      if (seen.length < 3) t.skip("there are fewer than two files near the root");
      t.info(`${counted(seen.length, "file")} looked up`);
      const byNumber = new Map<bigint, Seen>();
      for (const file of seen) {
        const other = byNumber.get(file.ino);
        byNumber.set(file.ino, file);
        if (other === undefined || other.node === file.node) continue;
        if (!(await stillCollide(fuse, other, file))) continue;
        t.fail(
          "inode numbers in a session that knows one file system",
          "one for each file",
          `${file.ino} for ${other.path} and for ${file.path}`,
        );
      }
    },
  },
];
