import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  identifyProcess,
  type LedgerRecord,
  type ServerStatus,
} from "../../../src/lab/programs/index.ts";
import { parseDocument } from "../../support/published-schemas.ts";
import { type Result, type Running, type RunOptions } from "./command.ts";
import { Workspace } from "./workspace.ts";

/** What `qemu status --json` prints: `kind` is that of the document. */
type ServerDocument = Omit<ServerStatus, "kind"> & { readonly server: ServerStatus["kind"] };

/** How the fake QEMU behaves. */
export type Behaviour = "listen" | "bind" | "never-listen" | "fail" | "stubborn";

/**
 * Replaces QEMU: takes its socket from `-chardev`, listens, leaves the socket behind when it is
 * ended. `bind` makes the socket and has yet to listen, as any program for a moment; `stubborn`
 * ignores SIGTERM.
 */
const program = `
const { FAKE_QEMU: behaviour } = process.env;
console.log("the program began with umask 0" + process.umask().toString(8));
if (behaviour === "fail") { console.error("fake: cannot do that"); process.exit(3); }
if (behaviour === "stubborn") process.on("SIGTERM", () => console.log("not now"));
setInterval(() => undefined, 1e6);
const path = /path=([^,]*)/.exec(process.argv.join(" "))[1];
if (behaviour === "bind") {
  const { Pipe, constants } = process.binding("pipe_wrap");
  globalThis.bound = new Pipe(constants.SOCKET);
  bound.bind(path);
} else if (behaviour !== "never-listen") {
  require("node:net").createServer().listen(path);
}
`;

/** \`qemu\` commands in a place of their own: ledger, socket, pid file and log. */
export class ServerSpace extends Workspace {
  readonly socket = this.path("s");
  readonly pidFile = this.path("pid");
  readonly log = this.path("log");
  readonly ledgerFolder = this.path("run/vhost-user");
  /** Of what is started here, outside of any checkout and CI job. */
  readonly owner = "the tests";
  readonly #env: Record<string, string>;

  /** @param behaviour undefined: the real programs */
  constructor(t: TestContext, behaviour?: Behaviour) {
    super(t);
    mkdirSync(this.path("run"), { mode: 0o700 });
    this.#env = { XDG_RUNTIME_DIR: this.path("run"), SOCKET_PATH: this.socket };
    this.#env["VHOST_USER_OWNER"] = this.owner;
    for (const name of ["QEMU", "QEMU_EXTRA_ARGS", "MEMORY_SIZE"]) this.#env[name] = "";
    if (behaviour === undefined) return;
    const fake = this.file("fake-qemu", `#!${process.execPath}\n${program}`);
    chmodSync(fake, 0o755);
    this.#env["QEMU"] = fake;
    this.#env["FAKE_QEMU"] = behaviour;
  }

  qemu(words: string, options: RunOptions = {}): Promise<Result> {
    return this.startQemu(words, options).result;
  }

  /** The verb gets the paths of this place; `start` and `restart` do not try KVM. */
  startQemu(words: string, options: RunOptions = {}): Running {
    const [verb = "", ...rest] = words.split(" ");
    const files = ["--pid-file", this.pidFile];
    const begins = verb === "start" || verb === "restart";
    if (begins) files.push("--log", this.log);
    if (begins && !/--kind block|--accel/.test(words)) files.push("--accel", "tcg");
    return this.command(["qemu", verb, ...files, ...rest], options);
  }

  command(args: readonly string[], options: RunOptions = {}): Running {
    return this.start(args, { ...options, env: { ...this.#env, ...options.env } });
  }

  async status(): Promise<ServerDocument> {
    return parseDocument("qemu", (await this.qemu("status --json")).stdout);
  }

  /** Starts it; it must start. Resolves with its pid. */
  async started(words = ""): Promise<number> {
    const { code, stdout, stderr } = await this.qemu(`start ${words}`.trim());
    assert.match(stdout, /^started: /, stderr);
    assert.equal(code, 0);
    const { pid } = await this.status();
    assert.ok(pid);
    return pid;
  }

  get recordFile(): string {
    const name = ledgerFiles(this.ledgerFolder).find((file) => /^qemu-.*\.json$/.test(file));
    assert.ok(name, "there is no record");
    return join(this.ledgerFolder, name);
  }

  get hasRecord(): boolean {
    return ledgerFiles(this.ledgerFolder).some((file) => file.endsWith(".json"));
  }

  record(): LedgerRecord {
    return JSON.parse(readFileSync(this.recordFile, "utf8")) as LedgerRecord;
  }

  changeRecord(change: (record: LedgerRecord) => LedgerRecord): void {
    writeFileSync(this.recordFile, JSON.stringify(change(this.record())));
  }

  /** Only here: never the paths of a user of this machine. */
  clean(...more: string[]): Promise<Result> {
    const paths = ["--socket", this.socket, "--pid-file", this.pidFile, "--log", this.log];
    return this.command(["clean", ...paths, ...more]).result;
  }

  /** No process, socket, pid file, record, lock or half-written file. */
  assertNothingLeft(): void {
    assert.deepEqual(this.survivors(), [], "a process was left");
    const paths = [this.socket, this.pidFile, `${this.socket}.img`];
    assert.deepEqual(paths.filter(existsSync), [], "files were left");
    const files = ledgerFiles(this.ledgerFolder).filter((name) => name !== "kvm.cache");
    assert.deepEqual(files, [], "the ledger was left with something in it");
  }
}

function ledgerFiles(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

export function runs(pid: number): boolean {
  return identifyProcess(pid) !== undefined;
}
