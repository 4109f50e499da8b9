import { explained } from "./remedies.ts";
import { saidElsewhere } from "./said-elsewhere.ts";
import type { ErrorSite } from "./sites.ts";

/** Errors that a user causes, or can do something about: their messages say what. */
const OF_USERS = new Set([
  "CleanUpError",
  "CommandError",
  "EnvironmentError",
  "MismatchError",
  "UsageError",
]);

/** Errors in which a value that came was compared with what was expected. */
const COMPARING = new Set([
  "CommandError",
  "MemoryAccessError",
  "MismatchError",
  "ProtocolError",
  "QueueError",
]);

/** Errors of the library and of the command; what else is made ends in a report of a test. */
const REPORTED = /^(?:app|core|endpoints|lab\/(?!selftest|conformance\/checks))/;

/** Returns what is wrong with the errors of the sources, one line each. */
export function problemsOf(sites: readonly ErrorSite[]): string[] {
  return sites
    .filter(({ path }) => REPORTED.test(path))
    .flatMap((site) => [
      ...silent(site),
      ...site.templates.flatMap((template) =>
        complaints(site.type, template).map((what) => `${site.path}: ${what}: ${template}`),
      ),
    ]);
}

/** A message that is neither in words here nor passed on from another error. */
function silent({ path, message, templates, type }: ErrorSite): string[] {
  const isKnown = `${path}: ${message}` in saidElsewhere || type === "SystemError";
  const isPassedOn = /\bmessage\b|\bString\(|^error$|\breason\b/.test(message);
  if (templates.length > 0 || isKnown || isPassedOn) return [];
  return [`${path}: the message of a ${type} cannot be read: ${message}`];
}

function complaints(type: string, template: string): string[] {
  return [
    OF_USERS.has(type) && explained(type, template).remedy === undefined ? "no remedy" : undefined,
    /\bexpected\b/.test(template.replaceAll(/<[^<>]*>/g, "")) &&
    !(COMPARING.has(type) && isCompared(template))
      ? "expected where nothing was compared"
      : undefined,
    template.includes("cannot be combined") && !namesBoth(template)
      ? "a conflict that does not name both"
      : undefined,
  ].filter((what) => what !== undefined);
}

/** `expected X, got Y`, where Y is a value, or a placeholder for one. */
function isCompared(template: string): boolean {
  return /\bexpected\b[^]*[ ,](?:got|announces) (?:\w+ )*(?:0x)?[<"\d]/.test(template);
}

/** `A and B cannot be combined`, `A cannot be combined with B`. */
function namesBoth(template: string): boolean {
  return /\S and \S[^]* cannot be combined|^\S[^]* cannot be combined with \S/.test(template);
}
