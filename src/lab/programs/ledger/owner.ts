import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../../../core/base/index.ts";
import { packageRoot } from "../../../core/os/index.ts";

/** Sets the owner of everything that a command starts; empty counts as not set. */
export const OWNER_VARIABLE = "VHOST_USER_OWNER";

const LONGEST_NAME = 200;

interface CiSystem {
  readonly name: string;
  /** The system sets this variable in every job. */
  readonly marker: string;
  /** Variables that together name one job on one machine; those that are not set are left out. */
  readonly job: readonly string[];
  /** The variables that identify the job. */
  readonly needs: readonly string[];
}

const CI_SYSTEMS: readonly CiSystem[] = [
  {
    // The jobs of a matrix share run and job; a runner runs one job at a time.
    name: "github",
    marker: "GITHUB_ACTIONS",
    job: ["GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "RUNNER_NAME"],
    needs: ["GITHUB_RUN_ID"],
  },
  {
    name: "gitlab",
    marker: "GITLAB_CI",
    job: ["CI_SERVER_HOST", "CI_PROJECT_PATH", "CI_JOB_ID"],
    needs: ["CI_JOB_ID"],
  },
  {
    // Parallel stages share the build; each has an executor of its own on a node.
    name: "jenkins",
    marker: "JENKINS_URL",
    job: ["JENKINS_URL", "JOB_NAME", "BUILD_NUMBER", "EXECUTOR_NUMBER"],
    needs: ["BUILD_NUMBER"],
  },
  {
    name: "buildkite",
    marker: "BUILDKITE",
    job: ["BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG", "BUILDKITE_JOB_ID"],
    needs: ["BUILDKITE_JOB_ID"],
  },
  {
    name: "azure",
    marker: "TF_BUILD",
    job: ["SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_BUILDID", "SYSTEM_JOBID"],
    needs: ["SYSTEM_JOBID"],
  },
  {
    // The containers of a parallel job share its number.
    name: "circleci",
    marker: "CIRCLECI",
    job: [
      "CIRCLE_PROJECT_USERNAME",
      "CIRCLE_PROJECT_REPONAME",
      "CIRCLE_BUILD_NUM",
      "CIRCLE_WORKFLOW_JOB_ID",
      "CIRCLE_NODE_INDEX",
    ],
    needs: ["CIRCLE_BUILD_NUM", "CIRCLE_WORKFLOW_JOB_ID"],
  },
  {
    name: "ci",
    marker: "CI",
    job: ["JOB_NAME", "CI_JOB_ID", "BUILD_ID", "BUILD_NUMBER", "JOB_ID", "RUN_ID"],
    needs: ["CI_JOB_ID", "BUILD_ID", "BUILD_NUMBER", "JOB_ID", "RUN_ID"],
  },
];

/** Folders of version control: the folder that contains one is the root of a checkout. */
const CHECKOUT_MARKERS = [".git", ".hg", ".jj", ".svn"];

/**
 * Names who starts something now: what `VHOST_USER_OWNER` says, else the CI job, else the checkout
 * around the working directory, else the folder where this package is installed.
 *
 * @throws {UsageError} `VHOST_USER_OWNER` is not a {@link checkOwner name of an owner}
 */
export function currentOwner(
  environment: NodeJS.ProcessEnv = process.env,
  directory: string | undefined = workingDirectory(),
): string {
  const named = environment[OWNER_VARIABLE];
  if (named) return checkOwner(named, OWNER_VARIABLE);
  return ciJob(environment) ?? printable(checkoutOf(directory) ?? packageRoot);
}

/**
 * @returns the name
 * @throws {UsageError} it is empty, too long or has control characters
 */
export function checkOwner(name: string, option: string): string {
  if (name !== "" && name.length <= LONGEST_NAME && printable(name) === name) return name;
  throw new UsageError(
    `${option} must be a name of 1 to ${LONGEST_NAME} characters without control characters, not ${JSON.stringify(name)}`,
  );
}

/** `github:owner/project/1234/1/build/runner-7`; undefined outside of a CI job. */
function ciJob(environment: NodeJS.ProcessEnv): string | undefined {
  for (const { name, marker, job, needs } of CI_SYSTEMS) {
    if (!isSet(environment[marker]) || !needs.some((variable) => environment[variable])) continue;
    const parts = job.map((variable) => environment[variable]).filter((value) => value);
    return printable(`${name}:${parts.join("/")}`);
  }
  return undefined;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && !["", "0", "false"].includes(value.toLowerCase());
}

function checkoutOf(directory: string | undefined): string | undefined {
  for (let folder = directory; folder !== undefined; folder = parentOf(folder)) {
    const here = folder;
    if (CHECKOUT_MARKERS.some((marker) => existsSync(join(here, marker)))) return here;
  }
  return undefined;
}

function parentOf(folder: string): string | undefined {
  const parent = dirname(folder);
  return parent === folder ? undefined : parent;
}

/** Returns the working directory; undefined if it was removed. */
function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** Owners are printed and are a line of files: control characters and line ends become `?`. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?");
}
