import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import { currentOwner } from "../../../../src/lab/programs/index.ts";
import { packageRoot } from "../../../support/package-root.ts";

const github = {
  CI: "true",
  GITHUB_ACTIONS: "true",
  GITHUB_REPOSITORY: "owner/project",
  GITHUB_RUN_ID: "12",
  GITHUB_RUN_ATTEMPT: "2",
  GITHUB_JOB: "build",
  RUNNER_NAME: "runner 7",
};
const jenkins = { JENKINS_URL: "https://ci/", JOB_NAME: "p/main", BUILD_NUMBER: "9" };
const azure = { TF_BUILD: "True", SYSTEM_TEAMPROJECT: "p", BUILD_BUILDID: "3" };
const circle = { CI: "true", CIRCLECI: "true", CIRCLE_BUILD_NUM: "8" };
const jobs: readonly (readonly [environment: Record<string, string>, owner: string])[] = [
  [github, "github:owner/project/12/2/build/runner 7"],
  [
    {
      CI: "true",
      GITLAB_CI: "true",
      CI_SERVER_HOST: "git",
      CI_PROJECT_PATH: "g/p",
      CI_JOB_ID: "5",
    },
    "gitlab:git/g/p/5",
  ],
  [{ ...jenkins, EXECUTOR_NUMBER: "1" }, "jenkins:https://ci//p/main/9/1"],
  [{ CI: "true", BUILDKITE: "true", BUILDKITE_JOB_ID: "0190-4a" }, "buildkite:0190-4a"],
  [{ ...azure, SYSTEM_JOBID: "12f1" }, "azure:p/3/12f1"],
  [{ ...circle, CIRCLE_NODE_INDEX: "1" }, "circleci:8/1"],
  [{ CI: "1", BUILD_ID: "77" }, "ci:77"],
  [{ CI: "woodpecker", JOB_NAME: "unit", BUILD_NUMBER: "4" }, "ci:unit/4"],
];

for (const [environment, owner] of jobs) {
  test(`a job of a CI system is the owner ${owner}`, () => {
    assert.equal(currentOwner(environment, "/"), owner);
    assert.equal(currentOwner({ ...environment, VHOST_USER_OWNER: "me" }, "/"), "me");
  });
}

test("two jobs differ in each property that identifies them on one machine", () => {
  const changes: readonly (readonly [Record<string, string>, string])[] = [
    [github, "GITHUB_RUN_ID"],
    [github, "GITHUB_RUN_ATTEMPT"],
    [github, "GITHUB_JOB"],
    [github, "RUNNER_NAME"],
    [{ ...jenkins, EXECUTOR_NUMBER: "1" }, "EXECUTOR_NUMBER"],
    [{ ...azure, SYSTEM_JOBID: "1" }, "SYSTEM_JOBID"],
    [{ ...circle, CIRCLE_NODE_INDEX: "0" }, "CIRCLE_NODE_INDEX"],
  ];
  for (const [environment, name] of changes) {
    const other = { ...environment, [name]: "another" };
    assert.notEqual(currentOwner(other, "/"), currentOwner(environment, "/"), name);
  }
});

test("outside of a CI job the owner is the checkout around the folder, else this package", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "vu-owner-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const inner = join(folder, "project", "packages", "one");
  mkdirSync(inner, { recursive: true });
  const noJobs = [{}, { CI: "true" }, { CI: "false", BUILD_ID: "7" }, { GITHUB_ACTIONS: "true" }];
  for (const environment of noJobs) {
    assert.equal(currentOwner(environment, inner), packageRoot);
  }
  // A work tree has a file instead of the folder.
  writeFileSync(join(folder, "project", ".git"), "gitdir: elsewhere\n");
  for (const environment of noJobs) {
    assert.equal(currentOwner(environment, inner), join(folder, "project"));
  }
  mkdirSync(join(inner, ".git"));
  assert.equal(currentOwner({}, inner), inner);
});

test("an owner is one printable line, whatever the environment holds", () => {
  const owner = currentOwner({ ...github, GITHUB_JOB: "a\nb\u001b[2J\u2028" }, "/");
  assert.match(owner, /\/a\?b\?\[2J\?\//);
  for (const name of ["a\nb", "\u0000", "x".repeat(201)]) {
    assert.throws(
      () => currentOwner({ VHOST_USER_OWNER: name }, "/"),
      (error: Error) =>
        error instanceof UsageError && /VHOST_USER_OWNER must be/.test(error.message),
    );
  }
  assert.notEqual(currentOwner({ VHOST_USER_OWNER: "" }, "/"), "");
});
