import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { requireProgram } from "../../../src/lab/programs/index.ts";
import { PcapngWriter, wiresharkDissector } from "../../../src/lab/wireshark/index.ts";
import { temporaryDirectory } from "./temporary.ts";

/** The fields of a frame, by name; a field may occur several times. */
export type FrameFields = ReadonlyMap<string, readonly string[]>;

/** A folder, and its path for tshark, which may run in a tree of its own. */
export interface TsharkPlace {
  readonly folder: string;
  readonly shown: string;
}

function ownPlace(t: TestContext): TsharkPlace {
  const folder = temporaryDirectory(t);
  return { folder, shown: folder };
}

/** tshark with our dissector, and a file for it. */
export class Tshark {
  readonly #file: string;
  readonly #script: string;

  readonly #program: readonly string[];

  /**
   * @param program tshark with its first arguments; it sees `folder` as `shown`
   * @param place default: a folder that is removed after the test
   */
  constructor(
    t: TestContext,
    write: (writer: PcapngWriter) => void,
    program: readonly string[] = [requireProgram("tshark")],
    { folder, shown }: TsharkPlace = ownPlace(t),
  ) {
    this.#program = program;
    this.#file = join(shown, "session.pcapng");
    this.#script = join(shown, "vhost-user.lua");
    writeFileSync(join(folder, "vhost-user.lua"), wiresharkDissector("0.0.0"));
    const blocks: Uint8Array[] = [];
    const writer = new PcapngWriter({ write: (block) => void blocks.push(block), startedMs: 0 });
    write(writer);
    writer.end();
    writeFileSync(join(folder, "session.pcapng"), Buffer.concat(blocks));
  }

  /** Runs it in two passes, so that requests know their replies. */
  run(...args: readonly string[]): string {
    const script = `lua_script:${this.#script}`;
    const [file = "", ...first] = this.#program;
    return execFileSync(
      file,
      [...first, "-2", "-r", this.#file, "-X", script, ...args],
      // Its home has no settings; it warns of root on stderr.
      { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] },
    );
  }

  /** The fields of every frame. */
  frames(...args: readonly string[]): FrameFields[] {
    const text = this.run("-T", "json", "--no-duplicate-keys", ...args);
    const packets = JSON.parse(text) as readonly {
      readonly _source: { readonly layers: object };
    }[];
    return packets.map((packet) => {
      const fields = new Map<string, string[]>();
      collect(packet._source.layers, fields);
      return fields;
    });
  }
}

function collect(node: unknown, fields: Map<string, string[]>): void {
  if (Array.isArray(node)) for (const each of node) collect(each, fields);
  if (typeof node !== "object" || node === null || Array.isArray(node)) return;
  for (const [name, value] of Object.entries(node)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    const texts = values.filter((each) => typeof each === "string");
    if (texts.length > 0) fields.set(name, [...(fields.get(name) ?? []), ...texts]);
    collect(value, fields);
  }
}
