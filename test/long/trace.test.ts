import { test } from "node:test";
import { traceManySessions } from "../component/lab/trace/support/sessions.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

test("1,000 sessions through a trace leave no descriptor behind", async (t) => {
  await traceManySessions(t, 1000);
});
