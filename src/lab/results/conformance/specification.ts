import { attribute, escape } from "../xml.ts";

const VHOST_USER = "https://qemu-project.gitlab.io/qemu/interop/vhost-user.html";
const VIRTIO = "https://docs.oasis-open.org/virtio/virtio/v1.3/csd01/virtio-v1.3-csd01.html";
/** Message types are entries of a list under these headings, without an anchor of their own. */
const FRONT_END_MESSAGES = "front-end-message-types";
const BACK_END_MESSAGES = "back-end-message-types";

/** Returns a check's section as HTML in which each heading leads to the specification. */
export function specificationLinks(section: string): string {
  let isVirtio = false;
  const parts = section.split(/(; |, )/).map((part) => {
    const [, number] = /^(?:VIRTIO )?(\d+(?:\.\d+)+)$/.exec(part) ?? [];
    if (part === "; ") isVirtio = false;
    if (part.startsWith("VIRTIO ")) isVirtio = true;
    if (number !== undefined && isVirtio) return link(`${VIRTIO}#:~:text=${number}`, part);
    return /^(?:; |, |-|FUSE)$/.test(part) ? escape(part) : link(vhostUserAddress(part), part);
  });
  return parts.join("");
}

function vhostUserAddress(heading: string): string {
  if (/^VHOST_USER_(?!PROTOCOL_F_)/.test(heading)) {
    const list = heading.startsWith("VHOST_USER_BACKEND_") ? BACK_END_MESSAGES : FRONT_END_MESSAGES;
    return `${VHOST_USER}#${list}:~:text=${encodeURIComponent(heading)}`;
  }
  const slug = heading.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return `${VHOST_USER}#${slug.replaceAll(/^-|-$/g, "")}`;
}

function link(address: string, text: string): string {
  return `<a class="spec" href="${attribute(address)}">${escape(text)}</a>`;
}
