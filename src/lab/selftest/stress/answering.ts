import { readdirSync, readFileSync } from "node:fs";
import type { Commands, Outcome, Usage } from "./messages.ts";

type Handlers = {
  readonly [C in keyof Commands]?: (ask: Commands[C]["ask"]) => Promise<Commands[C]["answer"]>;
};

/** Answers the parent's commands until it is gone. */
export function answerParent(handlers: Handlers): void {
  process.on("message", (message) => {
    const { id, command, ask } = message as { id: number; command: keyof Commands; ask: never };
    const handler = handlers[command] as ((ask: unknown) => Promise<unknown>) | undefined;
    void Promise.resolve(handler?.(ask)).then(
      (answer) => process.send?.({ id, answer }),
      (error: unknown) => process.send?.({ id, error: String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
  // A terminal signals all of its processes; the parent decides what that means.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
}

/**
 * Returns the resources that this process holds, after collecting garbage until the figures are
 * stable.
 */
export async function usageOf(sessions: number): Promise<Usage> {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const maps = readFileSync("/proc/self/maps", "latin1");
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    mappings: (maps.match(/^\S+ ...s /gm) ?? []).length,
    residentBytes: process.memoryUsage.rss(),
    sessions,
  };
}

/** Does something for each, a bounded number at a time, and counts what failed. */
export async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<Outcome> {
  const failures: Record<string, number> = {};
  let done = 0;
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) {
      try {
        await work(item);
        done += 1;
      } catch (error) {
        const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        failures[text] = (failures[text] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return { done, failures };
}
