import type { DeviceKind } from "../kind.ts";

/** The real-time clock device (VIRTIO 1.4, 5.23). */
export const rtcKind: DeviceKind = {
  name: "rtc",
  id: 17,
  features: [[0, "VIRTIO_RTC_F_ALARM", "clocks can raise alarms"]],
  queues: { once: ["requestq", "alarmq"] },
};
