import { CaseFailure } from "../../../engine/index.ts";
import type { CheckContext } from "./context.ts";

/**
 * Opens a clean session, with a request where the suite knows one, and closes it again.
 *
 * @throws {CaseFailure} the target does not serve it
 */
export async function expectCleanSession(t: CheckContext, when: "before" | "after"): Promise<void> {
  const mark = t.exchange.mark();
  try {
    await t.exchange.settingUp(async () => {
      const session = await t.newSession();
      if (t.hasKit) await (await t.bringUp({ session })).request();
    });
  } catch (error) {
    if (!(error instanceof CaseFailure)) throw error;
    throw new CaseFailure(`the clean session ${when} the check: ${error.message}`, {
      grade: "FAIL",
      expected: error.expected ?? "a clean session",
      actual: error.actual ?? "",
    });
  }
  if (when === "after") t.observe("service");
  t.closeSessions();
  t.exchange.fold(mark, `a clean session ${when} the check`);
}
