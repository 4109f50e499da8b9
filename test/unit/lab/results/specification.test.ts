import assert from "node:assert/strict";
import { test } from "node:test";
import { checks, frontendChecks } from "../../../../src/lab/conformance/index.ts";
import { specificationLinks } from "../../../../src/lab/results/conformance/specification.ts";

const addresses = (section: string): string[] =>
  [...specificationLinks(section).matchAll(/href="([^"]+)"/g)].map(([, address = ""]) => address);

test("headings of the vhost-user specification lead to their anchors", () => {
  const page = "https://qemu-project.gitlab.io/qemu/interop/vhost-user.html";
  assert.deepEqual(addresses("Inflight I/O tracking"), [`${page}#inflight-i-o-tracking`]);
  assert.deepEqual(addresses("VHOST_USER_SET_FEATURES; Ring states"), [
    `${page}#front-end-message-types:~:text=VHOST_USER_SET_FEATURES`,
    `${page}#ring-states`,
  ]);
  assert.deepEqual(addresses("VHOST_USER_PROTOCOL_F_REPLY_ACK"), [
    `${page}#vhost-user-protocol-f-reply-ack`,
  ]);
});

test("each section of VIRTIO has a link of its own", () => {
  const found = addresses("VHOST_USER_NET_SET_MTU; VIRTIO 5.1.4.1, 2.7");
  assert.deepEqual(
    found.slice(1).map((address) => address.replace(/.*#/, "")),
    [":~:text=5.1.4.1", ":~:text=2.7"],
  );
});

test("every check leads somewhere", () => {
  for (const { id, section } of [...checks, ...frontendChecks]) {
    if (section !== "FUSE") assert.ok(addresses(section).length > 0, `${id}: ${section}`);
  }
});
