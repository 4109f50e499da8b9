/**
 * A reporter for `node --test` that writes one JSON document at the end: how many tests passed,
 * failed and were skipped, and why the last two. Counted from the events and not from the runner's own summary,
 * which counts a file without any test as one that passed.
 */
export default async function* totals(events) {
  const result = { passed: 0, failed: 0, skipped: 0, notes: [] };
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const { name, file, skip, todo, details } = data;
    const isFileItself = name === file && data.nesting === 0;
    if (details?.type === "suite") {
      // A suite is not a test; but when its own hook fails, none of its tests reports that.
      if (type === "test:fail" && details.error?.failureType !== "subtestsFailed") result.failed++;
    } else if (isFileItself && type === "test:pass") {
      result.failed++;
      result.notes.push(`failed: ${name} has no test`);
    } else if (isSet(skip) || isSet(todo)) {
      result.skipped++;
      const reason = reasonOf(skip) ?? reasonOf(todo) ?? "no reason given";
      result.notes.push(`skipped: ${name} (${reason})`);
    } else if (type === "test:pass") {
      result.passed++;
    } else {
      result.failed++;
      result.notes.push(`failed: ${name}\n  ${reasonOfFailure(details?.error)}`);
    }
  }
  yield JSON.stringify(result);
}

/** The first lines of what went wrong; the rest is in the test's output. */
function reasonOfFailure(error) {
  const text = String(error?.cause?.message ?? error?.message ?? error ?? "no reason given");
  return text.split("\n").slice(0, 12).join("\n  ").slice(0, 1500);
}

function isSet(mark) {
  return mark !== undefined && mark !== false;
}

function reasonOf(mark) {
  return typeof mark === "string" && mark !== "" ? mark : undefined;
}
