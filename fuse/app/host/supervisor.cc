#include "fuse/app/host/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>

#include "fuse/app/host/unmount.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
/// A worker that dies of what it finds would die for ever.
constexpr std::size_t kMostCrashes = 5;
constexpr std::chrono::nanoseconds kCrashWindow = 60s;
constexpr int kSignalExit = 128, kExecFailed = 127;
/// Between a worker's death and the next: none at first.
constexpr int kPauseMs[] = {0, 100, 500, 1000, 2000};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void keep_through_exec(int fd) { (void)::fcntl(fd, F_SETFD, 0); }

std::string why(int status) {
  if (WIFSIGNALED(status)) return std::string("signal ") + ::strsignal(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

std::vector<int> numbers_in(const std::string& text) {
  std::vector<int> numbers;
  std::istringstream in(text.substr(std::min(text.size(), text.find(':') + 1)));
  for (std::string part; std::getline(in, part, ',');) {
    char* end = nullptr;
    const long number = std::strtol(part.c_str(), &end, 10);
    if (part.empty() || *end || number < 0 || number > INT32_MAX) return {};
    numbers.push_back(static_cast<int>(number));
  }
  return numbers;
}

UniqueFd inherited_fd(int fd) {
  (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return UniqueFd(fd);
}

std::shared_ptr<NotifierLink> link_to_notifier(UniqueFd socket) {
  return std::make_shared<NotifierLink>(std::move(socket), static_cast<std::uint64_t>(now_ns()));
}

class Supervisor {
 public:
  explicit Supervisor(SupervisorOptions options) : options_(std::move(options)) {}
  Result<Supervised> run();

 private:
  Status prepare();
  Status inherit();
  /// The part, in the worker that it makes; nothing in the supervisor.
  Result<std::optional<WorkerPart>> start_worker();
  Result<std::optional<WorkerPart>> start_next_worker();
  void become(const std::string& program, const char* role, const std::vector<int>& fds, pid_t worker = 0) const;
  Result<std::optional<WorkerPart>> watch();
  Result<std::optional<WorkerPart>> ended(int status);
  Result<std::optional<WorkerPart>> crashed(int status);
  void start_notifier();
  void end_notifier();
  void handle_message();
  void handle_signal();
  bool is_mounted() const;
  void find_mount();
  void abort_waiting() const;
  Status unmount_left() const;
  std::size_t crashes_lately() const;
  std::optional<WorkerPart> over(int code) {
    code_ = code;
    return std::nullopt;
  }

  const SupervisorOptions options_;
  std::shared_ptr<Handover> handover_;
  UniqueFd signals_, link_, session_;
  MountEntry mount_;                ///< the kernel's name for it, once mounted
  UniqueFd notices_, notifier_end_;   ///< what workers write to, and what the notifier reads, until it has it
  sigset_t mask_before_ = {};
  pid_t worker_ = 0;
  bool asked_to_end_ = false, upgrading_ = false;
  std::string program_;             ///< what the next worker runs; empty: this one
  std::optional<int> code_;         ///< set: over
};

Status Supervisor::prepare() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, &mask_before_);
  signals_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return Error::from_errno(errno, "signalfd");
  if (!options_.inherited.empty()) return inherit();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Error::from_errno(errno, "socketpair");
  notices_ = UniqueFd(ends[0]);
  notifier_end_ = UniqueFd(ends[1]);
  handover_ = TRY(Handover::create());
  handover_->service().supervisor = ::getpid();
  return {};
}

Status Supervisor::inherit() {
  sigemptyset(&mask_before_);   // what is blocked now, the program before blocked
  const std::vector<int> numbers = numbers_in(options_.inherited);
  if (numbers.size() != 5) return Error(Code::kInvalidArgument, "not what a supervisor hands on: " + options_.inherited);
  session_ = inherited_fd(numbers[0]);
  handover_ = TRY(Handover::adopt(inherited_fd(numbers[1])));
  link_ = inherited_fd(numbers[2]);
  notices_ = inherited_fd(numbers[3]);
  find_mount();
  worker_ = numbers[4];
  return {};
}

Result<Supervised> Supervisor::run() {
  TRY(prepare());
  if (worker_ == 0)
    if (auto part = TRY(start_worker())) return Supervised{std::move(part), 0};
  while (!code_)
    if (auto part = TRY(watch())) return Supervised{std::move(part), 0};
  end_notifier();
  return Supervised{std::nullopt, *code_};
}

Result<std::optional<WorkerPart>> Supervisor::start_worker() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Error::from_errno(errno, "socketpair");
  UniqueFd ours(ends[0]), theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "fork");
  if (child != 0) {
    worker_ = child;
    link_ = std::move(ours);
    options_.after_fork();
    return std::optional<WorkerPart>();
  }
  ours.reset();
  signals_.reset();
  link_.reset();
  notifier_end_.reset();
  ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  if (!program_.empty()) {
    become(program_, "worker", {session_.get(), handover_->fd(), theirs.get(), notices_.get()});
    ::_exit(kExecFailed);
  }
  WorkerPart part{std::move(handover_), std::make_shared<WorkerLink>(std::move(theirs)), link_to_notifier(std::move(notices_)),
                  std::move(session_)};
  return std::optional<WorkerPart>(std::move(part));
}

/// For a mount that is there and that nobody serves. No process or descriptor may be left for it for a moment.
Result<std::optional<WorkerPart>> Supervisor::start_next_worker() {
  const std::int64_t until = now_ns() + kCrashWindow.count();
  worker_ = 0;
  for (;;) {
    auto started = start_worker();
    if (started.ok() || asked_to_end_ || now_ns() >= until) return started;
    options_.prepare_log();
    log_warn("mount.no_worker_yet", {{"mount_point", options_.mount_point}, {"why", started.error()}});
    (void)::poll(nullptr, 0, kPauseMs[2]);
    handle_signal();
  }
}

/// Comes back only if the program cannot be run.
void Supervisor::become(const std::string& program, const char* role, const std::vector<int>& fds, pid_t worker) const {
  std::string numbers;
  for (int fd : fds) {
    keep_through_exec(fd);
    numbers += (numbers.empty() ? "" : ",") + std::to_string(fd);
  }
  if (worker != 0) numbers += "," + std::to_string(worker);
  std::vector<std::string> words = options_.words;
  words.insert(words.begin(), program);
  words.insert(words.end(), {"--take-over", std::string(role) + ":" + numbers});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(program.c_str(), arguments.data());
}

Result<std::optional<WorkerPart>> Supervisor::watch() {
  int status = 0;
  if (::waitpid(worker_, &status, WNOHANG) == worker_) {
    handle_message();   // its last words
    return ended(status);
  }
  pollfd waiting[2] = {{signals_.get(), POLLIN, 0}, {link_ ? link_.get() : -1, POLLIN, 0}};
  if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return Error::from_errno(errno, "poll");
  if (waiting[1].revents) handle_message();
  if (waiting[0].revents) handle_signal();
  return std::optional<WorkerPart>();
}

void Supervisor::handle_message() {
  if (!link_) return;
  auto message = receive_from_worker(link_.get());
  if (!message) return link_.reset();
  switch (message->kind) {
    case WorkerMessage::Kind::kKeep:
      session_ = std::move(message->session);
      find_mount();
      start_notifier();
      break;
    case WorkerMessage::Kind::kUpgrade:
      program_ = message->program;
      break;
    case WorkerMessage::Kind::kServing:
      if (!std::exchange(upgrading_, false) || asked_to_end_) break;
      become(program_, "supervisor", {session_.get(), handover_->fd(), link_.get(), notices_.get()}, worker_);
      program_.clear();
      break;
  }
}

/// Once a mount. It ends when supervisor and workers have.
void Supervisor::start_notifier() {
  if (!notifier_end_) return;
  const pid_t child = ::fork();
  if (child == 0) {
    ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    signals_.reset();
    link_.reset();
    notices_.reset();
    run_notifier(session_.get(), notifier_end_.get(), [this] { abort_waiting(); });
    ::_exit(0);
  }
  notifier_end_.reset();
  handover_->service().notifier = std::max(0, child);
}

/// With nothing mounted it waits for nothing, but a moment.
void Supervisor::end_notifier() {
  constexpr int kTries = 200;
  const pid_t notifier = handover_->service().notifier;
  if (notifier <= 0) return;
  ::kill(notifier, SIGKILL);
  for (int i = 0; i < kTries && ::waitpid(notifier, nullptr, WNOHANG) == 0; ++i) (void)::poll(nullptr, 0, 5);
}

void Supervisor::handle_signal() {
  signalfd_siginfo info = {};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) continue;
    asked_to_end_ = true;
    // A terminal's signal has reached the worker as well; two would force it.
    if (info.ssi_code != SI_KERNEL && worker_ > 0) ::kill(worker_, static_cast<int>(info.ssi_signo));
  }
}

bool Supervisor::is_mounted() const {
  if (!session_) return false;
  pollfd state{session_.get(), 0, 0};
  return !(::poll(&state, 1, 0) == 1 && (state.revents & POLLERR));
}

/// As the worker that made the mount has found it; one of a version that did not tell is looked for by its place.
void Supervisor::find_mount() {
  if (mount_.device != 0) return;
  mount_ = {options_.mount_point, std::string(kMountType), "", handover_->service().mount_device};
  if (mount_.device != 0) return;
  const auto table = read_mount_table();
  const MountEntry* there = table.ok() ? mount_holding(*table, options_.mount_point) : nullptr;
  if (there && there->mount_point == options_.mount_point && there->type == kMountType) mount_ = *there;
}

/// Nobody will answer any more, and a notice that waits would keep the kernel from saying so. As long as the session is
/// connected its number is no other mount's.
void Supervisor::abort_waiting() const {
  if (!is_mounted() || mount_.device == 0) return;
  if (Status aborted = abort_requests(mount_); !aborted.ok()) {
    options_.prepare_log();
    log_warn("mount.not_aborted", {{"why", aborted.error()}});
  }
}

/// Unless it was detached: another mount may stand there by now.
Status Supervisor::unmount_left() const {
  if (!TRY(is_on_top(mount_))) return {};
  return unmount(options_.mount_point, /*lazy=*/true);
}

Result<std::optional<WorkerPart>> Supervisor::ended(int status) {
  const bool exited = WIFEXITED(status);
  const int code = exited ? WEXITSTATUS(status) : kSignalExit + WTERMSIG(status);
  if (!is_mounted()) return over(code);
  if (exited && code == kHandedOverExit && !asked_to_end_) {
    upgrading_ = !program_.empty();
    handover_->service().upgrades += upgrading_;   // before the worker that tells of it
    return start_next_worker();
  }
  if (upgrading_ && !asked_to_end_) {
    options_.prepare_log();
    log_error("mount.upgrade_failed", {{"program", program_}, {"why", why(status)}});
    upgrading_ = false;
    --handover_->service().upgrades;
    program_.clear();
    return start_next_worker();
  }
  if (!asked_to_end_ && !(exited && (code == 0 || code > kSignalExit))) return crashed(status);
  // It was to end, and left the mount behind.
  abort_waiting();
  (void)unmount_left();
  return over(exited && code == kHandedOverExit ? 0 : code);
}

std::size_t Supervisor::crashes_lately() const {
  const ServiceRecord& service = handover_->service();
  const std::int64_t since = now_ns() - kCrashWindow.count();
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(service.crashes, ServiceRecord::kCrashesKept); ++i)
    count += service.crash_times_ns[(service.crashes - 1 - i) % ServiceRecord::kCrashesKept] > since;
  return count;
}

Result<std::optional<WorkerPart>> Supervisor::crashed(int status) {
  ServiceRecord& service = handover_->service();
  service.crash_times_ns[service.crashes % ServiceRecord::kCrashesKept] = now_ns();
  service.last_status = status;
  ++service.crashes;
  const std::size_t lately = crashes_lately();
  options_.prepare_log();
  log_warn("mount.worker_died", {{"pid", worker_}, {"why", why(status)}, {"within_a_minute", lately}});
  if (lately >= kMostCrashes) {
    log_error("mount.given_up", {{"mount_point", options_.mount_point},
                                 {"why", "its process died " + std::to_string(lately) + " times within a minute, last of " +
                                             why(status)}});
    // It stays in its place, dead: programs get errors there rather than the directory beneath.
    abort_waiting();
    return over(1);
  }
  if (const int pause = kPauseMs[std::min(lately, std::size(kPauseMs)) - 1]; pause > 0) (void)::poll(nullptr, 0, pause);
  return start_next_worker();
}

}  // namespace

Result<Supervised> supervise(SupervisorOptions options) { return Supervisor(std::move(options)).run(); }

bool is_for_worker(const std::string& text) { return text.starts_with("worker:"); }

Result<WorkerPart> inherited_worker(const std::string& text) {
  const std::vector<int> numbers = numbers_in(text);
  if (!is_for_worker(text) || numbers.size() != 4)
    return Error(Code::kInvalidArgument, "not what a supervisor hands on: " + text);
  WorkerPart part;
  part.session = inherited_fd(numbers[0]);
  part.handover = TRY(Handover::adopt(inherited_fd(numbers[1])));
  part.link = std::make_shared<WorkerLink>(inherited_fd(numbers[2]));
  part.notifier = link_to_notifier(inherited_fd(numbers[3]));
  return part;
}

}  // namespace skymoor::client
