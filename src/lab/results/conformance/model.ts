/** What a check came to; X… against a baseline: as expected, or unexpectedly well. */
export type ConformanceVerdict =
  "PASS" | "FAIL" | "WARN" | "SKIP" | "INFO" | "ERROR" | "XFAIL" | "XPASS";

export const CONFORMANCE_VERDICTS: readonly ConformanceVerdict[] = [
  "PASS",
  "FAIL",
  "WARN",
  "SKIP",
  "INFO",
  "ERROR",
  "XFAIL",
  "XPASS",
];

/** One thing that was not as it should be. */
export interface ConformanceFinding {
  readonly message: string;
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
}

export interface ConformanceResult {
  /** `section/number` */
  readonly id: string;
  /** What must hold, as a sentence. */
  readonly title: string;
  readonly strength: "MUST" | "SHOULD" | "ROBUSTNESS" | "-";
  /** Headings of the vhost-user specification, or sections of VIRTIO. */
  readonly section: string;
  readonly verdict: ConformanceVerdict;
  readonly reason?: string | undefined;
  readonly findings: readonly ConformanceFinding[];
  /** Values that were recorded and not judged. */
  readonly values: readonly string[];
  readonly durationMs: number;
  /** What went to and fro, decoded, a line an event. */
  readonly exchange: readonly string[];
  /** What the target printed meanwhile. */
  readonly output?: string | undefined;
  /** The command line that makes this check alone. */
  readonly repeat: string;
}

/** What was looked at. */
export interface ConformanceTarget {
  /** Path or command line. */
  readonly name: string;
  readonly device: string | null;
  /** Features that a back-end offers, in hexadecimal. */
  readonly virtioFeatures: string | null;
  readonly protocolFeatures: string | null;
}

/** The shape of `conform --json`: a contract. */
export interface ConformanceReport {
  readonly schemaVersion: 1;
  readonly kind: "conformance";
  readonly tool: { readonly name: "vhost-user"; readonly version: string };
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly target: ConformanceTarget;
  readonly seed: number;
  readonly counts: Readonly<Record<ConformanceVerdict, number>>;
  readonly results: readonly ConformanceResult[];
}

export function countVerdicts(
  results: readonly Pick<ConformanceResult, "verdict">[],
): Record<ConformanceVerdict, number> {
  const counts = { PASS: 0, FAIL: 0, WARN: 0, SKIP: 0, INFO: 0, ERROR: 0, XFAIL: 0, XPASS: 0 };
  for (const { verdict } of results) counts[verdict] += 1;
  return counts;
}
