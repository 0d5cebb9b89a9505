// EventStream: one client's server-sent events. Source: HTML Living Standard, section 9.2.
#pragma once
#include <deque>
#include <functional>
#include <string>

#include "shared/base/mutex.h"

namespace skymoor::server {

/// A bounded queue of event texts from any thread to the connection that writes them. Thread-safe; shared by the
/// handler's source of events and by the connection. What is sent before the connection takes the stream over waits in
/// the queue. Failure: a client that does not read is dropped when its queue is full; it comes back and reads from its
/// cursor.
class EventStream {
 public:
  static constexpr std::size_t kMaxQueuedBytes = 64 * 1024;

  EventStream();
  /// Queues a text made by `format_event`. False when the stream is closed, or was closed because the queue is full.
  /// Never blocks.
  bool send(std::string text);
  /// As `send`, but replaces what still waits: for events of which only the newest counts.
  bool send_latest(std::string text);
  /// Ends the client's connection soon. Idempotent.
  void close();
  bool closed() const;

  // For the connection.
  /// `wake` is called (with no lock of its own to take) whenever there is something to write or the stream is closed.
  void attach(std::function<void()> wake);
  /// No call of `wake` begins after this returned; the stream is closed.
  void detach();
  /// Everything queued, as one text.
  std::string take();

 private:
  bool push(std::string text, bool replace);

  // Guarded by mutex_.
  mutable Mutex mutex_;
  std::deque<std::string> queue_ GUARDED_BY(mutex_);
  std::size_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  std::function<void()> wake_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

/// "event: NAME\ndata: DATA\n\n"; line breaks in `data` give further data lines.
std::string format_event(std::string_view name, std::string_view data);

}  // namespace skymoor::server
