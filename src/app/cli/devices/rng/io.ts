import { UsageError } from "../../../../core/base/index.ts";
import { RngDriver, rngType } from "../../../../endpoints/devices/rng/index.ts";
import type { Context } from "../../context.ts";
import { saveUserFile } from "../../files.ts";
import { formatSize } from "../../units.ts";
import { type RequestOptions, withDriverOf } from "../../commands/io/common.ts";

/** The limit of one read, which holds all bytes in memory. */
const MAX_BYTES = 256 << 20;
/** Bytes of a line in hexadecimal. */
const LINE_BYTES = 32;

interface ReadOptions extends RequestOptions {
  readonly length: number;
  readonly hex?: true | undefined;
  readonly out?: string | undefined;
  readonly force?: true | undefined;
}

export async function read(socket: string, options: ReadOptions, context: Context): Promise<void> {
  const { length, hex, out, force, ioTimeout } = options;
  const { output, signal } = context;
  if (length > MAX_BYTES)
    throw new UsageError(
      `--length ${length} is more than the ${formatSize(MAX_BYTES)} of one read`,
    );
  if (hex && out !== undefined) throw new UsageError("--hex and --out cannot be combined");
  const target = { socket, options, context, device: rngType };
  await withDriverOf(
    target,
    async (client) => RngDriver.start(client),
    async (driver) => {
      const bytes = await driver.read(length, { timeoutMs: ioTimeout, signal });
      if (out !== undefined) {
        saveUserFile(out, bytes, force === true);
        output.note(`${formatSize(length)} saved to ${out}`);
      } else if (hex || output.stdoutIsTerminal) {
        for (let at = 0; at < length; at += LINE_BYTES)
          output.print(Buffer.from(bytes.subarray(at, at + LINE_BYTES)).toString("hex"));
      } else {
        output.bytes(bytes);
      }
    },
  );
}
