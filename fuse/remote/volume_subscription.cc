#include "fuse/remote/volume_subscription.h"

#include "fuse/remote/event_parser.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/protocol/failure.h"

namespace skymoor::client {

VolumeSubscription::VolumeSubscription(RemoteSession& session, Random& random, VolumeId volume, Options options,
                                       std::function<void(Sequence)> on_head,
                                       std::function<void(const Status&)> on_state)
    : session_(session),
      random_(random),
      volume_(volume),
      options_(options),
      on_head_(std::move(on_head)),
      on_state_(std::move(on_state)),
      thread_([this](std::stop_token stop) {
        set_thread_name("events");
        run(stop);
      }) {}

VolumeSubscription::~VolumeSubscription() {
  thread_.request_stop();
  thread_.join();
}

void VolumeSubscription::run(std::stop_token stop) {
  Backoff backoff(options_.backoff, random_);
  while (!stop.stop_requested()) {
    bool was_up = false;
    const Status ended = connect(stop, was_up);
    if (stop.stop_requested()) return;
    if (was_up) backoff.reset();
    tell(ended);
    pause(backoff.next(), stop);
  }
}

void VolumeSubscription::pause(std::chrono::milliseconds span, const std::stop_token& stop) {
  std::unique_lock lock(pause_mutex_);
  pause_over_.wait_for(lock, stop, span, [this] { return now_; });
  now_ = false;
}

void VolumeSubscription::connect_now() {
  std::lock_guard lock(pause_mutex_);
  now_ = true;
  pause_over_.notify_all();
}

void VolumeSubscription::note_heard() {
  heard_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(SystemClock().monotonic().time_since_epoch()).count();
}

std::optional<Instant> VolumeSubscription::heard() const {
  const std::int64_t heard = heard_ns_;
  return heard == 0 ? std::nullopt : std::optional(Instant(std::chrono::nanoseconds(heard)));
}

Status VolumeSubscription::connect(std::stop_token stop, bool& was_up) {
  HttpRequest request;
  // Its head is asked for each time, whatever was seen: a server that was put back from a backup may have gone back.
  request.path = "/api/events?volume=" + volume_.hex() + "&after=0";
  request.headers = {"Accept: text/event-stream"};
  request.timeout = options_.connect_timeout;
  request.idle_timeout = options_.idle_timeout;
  request.stop = stop;

  EventParser parser([this](std::string_view name, std::string_view data) {
    if (name != "change") return;
    auto event = protocol::decode<protocol::ChangeEvent>(as_bytes(data));
    if (!event.ok() || event->volume != volume_) return;
    on_head_(event->sequence);
  });
  std::optional<int> failed;
  Bytes failure;
  StreamSink sink;
  sink.on_head = [&](const HttpResponse& head) -> Status {
    if (head.status != 200) {
      failed = head.status;
      return {};
    }
    if (!head.content_type.starts_with("text/event-stream"))
      return Error(Code::kUnavailable, session_.http().base_url() + " is not a Skymoor server");
    was_up = true;
    note_heard();
    tell(Status());
    return {};
  };
  sink.on_data = [&](ByteView data) -> Status {
    note_heard();
    if (!failed) return parser.feed(data);
    if (failure.size() < 4096) append(failure, data);
    return {};
  };
  TRY(session_.stream(request, sink));
  if (failed) return protocol::decode_failure(*failed, failure);
  return Error(Code::kOffline, session_.http().base_url() + " ended the event stream");
}

void VolumeSubscription::tell(const Status& state) {
  const std::optional<Code> now = state.ok() ? std::nullopt : std::optional(state.error().code());
  if (now && told_ == now) return;  // still down for the same reason
  told_ = now;
  if (now) log_debug("remote.events_lost", {{"why", state.error()}});
  on_state_(state);
}

}  // namespace skymoor::client
