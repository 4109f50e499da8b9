/**
 * The commands of entropy devices, in one file: options as data, and work whose parts are loaded
 * when it begins.
 */
import { type Command, Option } from "commander";
import { UsageError } from "../../../core/base/index.ts";
import { rngKind } from "../../../endpoints/devices/rng/kind.ts";
import { requestCommand } from "../commands/io/common-command.ts";
import type { RequestOptions } from "../commands/io/common.ts";
import { backendCommand } from "../commands/serve/common-command.ts";
import type { ServeOptions } from "../commands/serve/common.ts";
import { qemuHelp } from "../commands/serve/qemu-help.ts";
import type { Context } from "../context.ts";
import { checked, forceOption, groupCommand, outOption } from "../options.ts";
import { formatSize, parseDuration, parseSize } from "../units.ts";
import type { DeviceCommands } from "./device-commands.ts";

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

interface ServeRngOptions extends ServeOptions {
  /** Bytes. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds. */
  readonly period: number;
}

export const rngCommands: DeviceCommands = {
  kind: rngKind,
  serve: () => Promise.resolve(serveRngCommand),
  io: () => Promise.resolve(ioRngCommand),
};

function serveRngCommand(context: Context): Command {
  return backendCommand("rng", "an entropy device: random bytes of the kernel's generator")
    .option(
      "--max-bytes <size>",
      "random bytes that all front-ends together get in one period, e.g. 4K; default: no limit",
      checked(parseSize),
    )
    .addOption(
      new Option("--period <duration>", "the period of --max-bytes")
        .default(60_000, "1m")
        .argParser(checked(parseDuration)),
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ vhost-user serve rng --socket rng.sock --max-bytes 64K --period 1s" +
        qemuHelp([
          "-chardev socket,id=rng0,path=rng.sock",
          "-device vhost-user-rng-pci,chardev=rng0",
        ]) +
        "\nin the guest:\n  $ dd if=/dev/hwrng bs=32 count=1 | od -An -tx1",
    )
    .action(async (options) => serveRng(options, context));
}

async function serveRng(options: ServeRngOptions, context: Context): Promise<void> {
  const { EntropyBudget, RngDevice } = await import("../../../endpoints/devices/rng/index.ts");
  const { endOnSignal, expectOneSocket, listedFaults, serveDevice } =
    await import("../commands/serve/common.ts");
  if (listedFaults(options, context)) return;
  expectOneSocket(options, context);
  const { maxBytes, period: periodMs } = options;
  if (maxBytes === 0)
    throw new UsageError("--max-bytes 0 would deliver nothing; give at least 1, or leave it out");
  const budget = new EntropyBudget({ maxBytes, periodMs });
  const limit =
    maxBytes === undefined ? "no limit" : `${formatSize(maxBytes)} every ${periodMs} ms`;
  await serveDevice(options, context, `rng, ${limit}`, () => new RngDevice({ budget }));
  endOnSignal(context);
}

function ioRngCommand(context: Context): Command {
  const rng = groupCommand("rng").description("an entropy device");
  rng.addCommand(
    requestCommand("read", "print random bytes: on a terminal in hexadecimal, else as they are")
      .addOption(
        new Option("--length <bytes>", "how many bytes; e.g. 4K")
          .default(32)
          .argParser(checked(parseSize)),
      )
      .option("--hex", "print them in hexadecimal in any case")
      .addOption(outOption)
      .addOption(forceOption)
      .addHelpText("after", "\nExample:\n  $ vhost-user io rng read rng.sock --length 16 --hex")
      .action(async (socket, options) => read(socket, options, context)),
  );
  return rng;
}

async function read(socket: string, options: ReadOptions, context: Context): Promise<void> {
  const { length, hex, out, force, ioTimeout } = options;
  const { output, signal } = context;
  if (length > MAX_BYTES)
    throw new UsageError(
      `--length ${length} is more than the ${formatSize(MAX_BYTES)} of one read`,
    );
  if (hex && out !== undefined) throw new UsageError("--hex and --out cannot be combined");
  const { RngDriver, rngType } = await import("../../../endpoints/devices/rng/index.ts");
  const { withDriverOf } = await import("../commands/io/common.ts");
  const { saveUserFile } = await import("../files.ts");
  await withDriverOf(
    { socket, options, context, device: rngType },
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
