{
  "targets": [
    {
      "target_name": "vhost_user",
      "sources": [
        "addon.c", "arguments.c", "descriptor.c", "folder.c", "mapping.c",
        "message.c", "poller.c", "sigbus.c", "socket.c", "wait.c"
      ],
      "cflags": ["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
