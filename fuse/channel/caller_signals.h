// Whether the signals of a caller end its call.
#pragma once
#include <sys/types.h>

#include <string_view>

namespace skymoor::client {

/// The kernel says only that a caller was signalled, not by what, and cannot restart a call that is answered EINTR: as on a
/// local disk, only what ends the process ends its call, and, of what has a handler, the ways to ask a program to end
/// (SIGINT, SIGTERM, SIGHUP, SIGQUIT). `status`: the text of /proc/PID/status.
/// Source: man 5 proc, man 7 signal, fs/fuse/dev.c (request_wait_answer).
bool signals_end_call(std::string_view status);

/// The same for a thread or process. True when it cannot be seen (another PID namespace, hidepid): better an interrupted
/// call than one that cannot be killed. Blocks: on nothing but memory.
bool caller_wants_out(pid_t pid);

}  // namespace skymoor::client
