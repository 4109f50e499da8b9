import { closeSync, createWriteStream, openSync, type WriteStream } from "node:fs";
import { once } from "node:events";
import { UsageError } from "../../core/base/index.ts";

/**
 * Files of frames in the classic pcap format, which every analyser reads:
 *
 * | off | size | field |
 * | --- | --- | --- |
 * | 0 | 4 | magic 0xa1b2c3d4 (times in microseconds) or 0xa1b23c4d (nanoseconds) |
 * | 4 | 2+2 | version 2, 4 |
 * | 8 | 4+4 | 0, 0 |
 * | 16 | 4 | longest frame that is kept whole |
 * | 20 | 4 | link type, 1 is Ethernet |
 *
 * and for each frame: seconds u32, fraction u32, bytes kept u32, bytes of the frame u32, the bytes.
 */
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET = 1;
/** The snapshot length that tcpdump writes. */
const SNAP_BYTES = 262_144;
/** More than this waiting for the disk, and frames are left out. */
const MAX_WAITING_BYTES = 64 << 20;

/**
 * Writes frames to a file, as they pass.
 *
 * @example
 * ```ts
 * import { readFileSync } from "node:fs";
 * import { PcapWriter, readPcap, testFrame } from "vhost-user/devices/net";
 *
 * const pcap = PcapWriter.create("frames.pcap", { force: true });
 * pcap.write(testFrame(1, 60, new Uint8Array(6), new Uint8Array(6)));
 * await pcap.close();
 * console.log(readPcap(readFileSync("frames.pcap")).length);
 * ```
 */
export class PcapWriter {
  /** Frames written. */
  frames = 0;
  /** Frames left out because the disk was too slow. */
  dropped = 0;
  readonly #stream: WriteStream;
  #failure: Error | undefined;

  private constructor(stream: WriteStream) {
    this.#stream = stream;
    stream.on("error", (error) => (this.#failure ??= error));
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    header.writeUInt32LE(MAGIC_MICROSECONDS, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(SNAP_BYTES, 16);
    header.writeUInt32LE(ETHERNET, 20);
    stream.write(header);
  }

  /**
   * @param options.force writes over a file that is there
   * @throws Node's errors of open(2), `EEXIST` where the file exists
   */
  static create(path: string, { force = false }: { readonly force?: boolean } = {}): PcapWriter {
    const fd = openSync(path, force ? "w" : "wx", 0o600);
    try {
      return new PcapWriter(createWriteStream("", { fd }));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @param frame only borrowed */
  write(frame: Uint8Array): void {
    if (this.#stream.writableEnded) return;
    if (this.#failure !== undefined || this.#stream.writableLength > MAX_WAITING_BYTES) {
      this.dropped += 1;
      return;
    }
    const ms = performance.timeOrigin + performance.now();
    const seconds = Math.floor(ms / 1000);
    const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + frame.length);
    record.writeUInt32LE(seconds % 2 ** 32, 0);
    record.writeUInt32LE(Math.floor((ms - seconds * 1000) * 1000), 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    record.set(frame, RECORD_HEADER_BYTES);
    this.#stream.write(record);
    this.frames += 1;
  }

  /**
   * Resolves once everything is in the file. Idempotent.
   *
   * @throws Node's errors of write(2)
   */
  async close(): Promise<void> {
    if (!this.#stream.closed) {
      this.#stream.end();
      if (this.#failure === undefined) await once(this.#stream, "close");
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/**
 * The frames of a file in the classic format, of either byte order.
 *
 * @throws {UsageError}
 */
export function readPcap(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magics = [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS];
  const isLong = bytes.length >= FILE_HEADER_BYTES;
  const little = isLong && magics.includes(view.getUint32(0, true));
  if (!isLong || (!little && !magics.includes(view.getUint32(0, false)))) {
    throw new UsageError(
      "the file is not in the classic pcap format; convert it with: editcap -F pcap in.pcapng out.pcap",
    );
  }
  const linkType = view.getUint32(20, little) & 0xffff;
  if (linkType !== ETHERNET)
    throw new UsageError(`the link type is ${linkType}; use a capture of Ethernet (1)`);
  const frames: Uint8Array[] = [];
  for (let at = FILE_HEADER_BYTES; at < bytes.length;) {
    const end = at + RECORD_HEADER_BYTES;
    const kept = end <= bytes.length ? view.getUint32(at + 8, little) : Infinity;
    if (end + kept > bytes.length)
      throw new UsageError(`the file ends within the frame at byte ${at}; use a whole capture`);
    frames.push(bytes.subarray(end, end + kept));
    at = end + kept;
  }
  return frames;
}
