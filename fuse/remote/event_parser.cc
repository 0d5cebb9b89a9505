#include "fuse/remote/event_parser.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kMaxEventBytes = 64 * 1024;
}

Status EventParser::feed(ByteView piece) {
  for (char c : as_text(piece)) {
    const bool second_half = c == '\n' && after_cr_;  // of CR LF: the line has ended already
    after_cr_ = c == '\r';
    if (second_half) continue;
    if (c == '\n' || c == '\r') {
      take_line(line_);
      line_.clear();
      continue;
    }
    line_.push_back(c);
    if (line_.size() + data_.size() > kMaxEventBytes) return Error(Code::kTooLarge, "an event of more than 64 KiB");
  }
  return {};
}

void EventParser::take_line(std::string_view line) {
  if (line.empty()) {
    if (has_data_) on_event_(name_.empty() ? "message" : std::string_view(name_), data_);
    name_.clear();
    data_.clear();
    has_data_ = false;
    return;
  }
  const auto colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") name_ = value;
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
}

}  // namespace skymoor::client
