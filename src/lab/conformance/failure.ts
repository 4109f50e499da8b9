/** How bad an observation is. */
export type Grade = "FAIL" | "WARN";

/** Ends a check: what must hold does not. */
export class CheckFailure extends Error {
  /** Undefined: what the check's strength makes of it. */
  readonly grade: Grade | undefined;
  readonly expected: string | undefined;
  readonly actual: string | undefined;

  constructor(
    message: string,
    details: { grade?: Grade | undefined; expected?: string; actual?: string } = {},
  ) {
    super(message);
    this.grade = details.grade;
    this.expected = details.expected;
    this.actual = details.actual;
  }
}

/** Ends a check that cannot be made on this target, with the reason. */
export class CheckSkip extends Error {}

/** Any value as it stands in a report: masks and large numbers in hexadecimal. */
export function shown(value: unknown): string {
  if (typeof value === "bigint") return value < 10n ? String(value) : `0x${value.toString(16)}`;
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "bigint" ? `0x${inner.toString(16)}` : inner,
  );
}
