import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

const PROGRAMS = ["chromium-headless-shell", "chromium", "google-chrome", "chrome-headless-shell"];
const ANSWER_MS = 30_000;

/** Returns the program of a browser on this machine, if there is one. */
export function findChromium(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(":");
  return folders
    .flatMap((folder) => PROGRAMS.map((name) => `${folder}/${name}`))
    .find((path) => existsSync(path));
}

interface Answer {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: Readonly<Record<string, unknown>>;
}

/** A page in a real browser without a window, driven by the DevTools protocol over pipes. */
export class Page implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #ended: Promise<void>;
  #session: string | undefined;
  #count = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    let text = "";
    (child.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => {
      const messages = (text + chunk).split("\0");
      text = messages.pop() ?? "";
      for (const message of messages) this.#receive(JSON.parse(message) as Answer);
    });
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => {
        resolve();
        for (const id of this.#waiting.keys()) {
          this.#receive({ id, error: { message: "the browser ended" } });
        }
      });
    });
  }

  /** @param folder for its profile */
  static async open(program: string, url: string, folder: string): Promise<Page> {
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"];
    const child = spawn(program, [...flags, `--user-data-dir=${folder}`, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const page = new Page(child);
    const { targetId } = await page.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.send("Target.attachToTarget", { targetId, flatten: true });
    page.#session = String(sessionId);
    await page.send("Page.enable");
    await page.send("Page.navigate", { url });
    await page.evaluate(
      "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))",
    );
    return page;
  }

  /** Sends a command of the protocol; returns its result. */
  async send(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    this.#count += 1;
    const id = this.#count;
    const answer = new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), ANSWER_MS);
      this.#waiting.set(id, (came) => {
        clearTimeout(timer);
        resolve(came);
      });
    });
    const message = JSON.stringify({ id, method, params, sessionId: this.#session });
    (this.#child.stdio[3] as Writable).write(`${message}\0`);
    const { error, result = {} } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Evaluates an expression in the page, and awaits it where it is a promise. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value?: unknown }).value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Closed by its own means it ends its helpers as well, which write to the profile until then.
    // It may end before it answers.
    this.#session = undefined;
    const closed = this.send("Browser.close").catch(() => undefined);
    await Promise.all([closed, this.#ended]);
    for (const stream of this.#child.stdio) stream?.destroy();
  }

  #receive(answer: Answer): void {
    if (answer.id === undefined) return;
    this.#waiting.get(answer.id)?.(answer);
    this.#waiting.delete(answer.id);
  }
}
