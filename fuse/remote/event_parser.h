// Reads a text/event-stream. Source: HTML Living Standard, section 9.2.
#pragma once
#include <functional>
#include <string>

#include "shared/base/bytes.h"

namespace skymoor::client {

/// Takes the stream in pieces of any size and hands on whole events. Not thread-safe.
class EventParser {
 public:
  using OnEvent = std::function<void(std::string_view name, std::string_view data)>;
  explicit EventParser(OnEvent on_event) : on_event_(std::move(on_event)) {}
  /// Errors: TooLarge (a line or event over 64 KiB: not ours).
  Status feed(ByteView piece);

 private:
  void take_line(std::string_view line);

  OnEvent on_event_;
  std::string line_, name_, data_;
  bool has_data_ = false, after_cr_ = false;
};

}  // namespace skymoor::client
