/** The options of the command `test`, as the groups see them. */
export interface GroupOptions {
  /** A running back-end; undefined if the built-in one is started. */
  readonly socket?: string | undefined;
  /** Concurrent clients of the stress group. */
  readonly clients: number;
  /** Rounds of the stress group. */
  readonly rounds: number;
  /** Connections that the perf group measures. */
  readonly connections: number;
  /** A missing program fails a test instead of skipping it. */
  readonly requirePrograms: boolean;
}

/** The environment that all tests of a group share. */
interface Surroundings {
  readonly options: GroupOptions;
  readonly signal: AbortSignal;
  /** A private folder; it is removed after the group. */
  readonly folder: string;
}

/** The context of a test: its tools and its observations. */
export class TestContext implements Surroundings {
  readonly options: GroupOptions;
  readonly signal: AbortSignal;
  readonly folder: string;
  /** Figures and explanations for the report. */
  readonly values: string[] = [];
  readonly #cleanUps: (() => unknown)[] = [];

  constructor({ options, signal, folder }: Surroundings) {
    this.options = options;
    this.signal = signal;
    this.folder = folder;
  }

  /** Adds a line to the report. */
  readonly note = (line: string): void => void this.values.push(line);

  /** Calls a function after the test, also after a failure; the last one first. */
  readonly defer = (cleanUp: () => unknown): void => void this.#cleanUps.push(cleanUp);

  /** Calls the deferred functions. Returns the first error, if any. */
  async close(): Promise<unknown> {
    let failure: unknown;
    for (const cleanUp of this.#cleanUps.reverse()) {
      try {
        await cleanUp();
      } catch (error) {
        failure ??= error;
      }
    }
    return failure;
  }
}
