// What another thread of this process is doing.
#pragma once
#include <chrono>
#include <string>

namespace skymoor {

/// Loads what a signal handler may not load. Call it early; again is harmless. Takes SIGRTMIN + 5 for this.
void prepare_thread_stacks();

/// The calls that a thread is in, newest first, " < " between them; at most 30 of them and 4 KiB, as far as names are known (a
/// stripped program shows addresses). One that does not answer a signal within `patience` is in the kernel: then where there.
/// One at a time in a process. Blocks: for `patience`, and as long as reading the program's debug information takes.
std::string stack_of_thread(int tid, std::chrono::milliseconds patience);

}  // namespace skymoor
