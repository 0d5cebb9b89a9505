#include "fuse/channel/handover.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

namespace skymoor::client {
namespace {

constexpr std::uint64_t kMagic = 0x4f484d594b53ull;   // "SKYMHO"
constexpr std::size_t kMaxInit = 512;
/// Requests in flight have numbers close to each other: far fewer than these are unanswered at a time.
constexpr std::size_t kNotes = 1u << 16;

enum FileFlags : std::uint32_t { kRead = 1, kWrite = 2, kSync = 4, kPassthrough = 8, kAppend = 16, kUnnamed = 32, kFailed = 64 };

thread_local std::uint64_t serving_request = 0;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace

/// Version 1. Zeros where nothing was written yet; the memory is sparse.
static_assert(sizeof(ServiceRecord) == 152);   // part of kFormat

struct Handover::Memory {
  struct File {
    std::atomic<std::uint64_t> handle;   // 0: free; set last, cleared first
    std::uint64_t inode, request;
    std::uint32_t flags;
    std::int32_t backing_id;
  };
  struct Note {
    std::atomic<std::uint64_t> request;  // set last, cleared first
    std::uint64_t lsn;
  };
  std::uint64_t magic;
  std::uint32_t format, passthrough;
  std::atomic<std::uint32_t> init_bytes;
  std::atomic<std::int32_t> last_backing_id;
  std::atomic<std::uint64_t> notices_queued, notices_told;
  std::uint8_t init[kMaxInit];
  ServiceRecord service;
  Note notes[kNotes];
  File files[kMaxOpenFiles];
};

Result<std::shared_ptr<Handover>> Handover::map(UniqueFd fd) {
  void* at = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return Error::from_errno(errno, "map the handover memory");
  return std::shared_ptr<Handover>(new Handover(std::move(fd), static_cast<Memory*>(at)));
}

Result<std::shared_ptr<Handover>> Handover::create() {
  UniqueFd fd(::memfd_create("skymoor-handover", MFD_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "make the handover memory");
  if (::ftruncate(fd.get(), sizeof(Memory)) != 0) return Error::from_errno(errno, "size the handover memory");
  auto made = TRY(map(std::move(fd)));
  made->memory_->magic = kMagic;
  made->memory_->format = kFormat;
  return made;
}

Result<std::shared_ptr<Handover>> Handover::adopt(UniqueFd fd) {
  struct stat st;
  std::uint64_t magic = 0;
  std::uint32_t format = 0;
  if (::fstat(fd.get(), &st) != 0 || ::pread(fd.get(), &magic, sizeof magic, offsetof(Memory, magic)) != sizeof magic ||
      ::pread(fd.get(), &format, sizeof format, offsetof(Memory, format)) != sizeof format || magic != kMagic)
    return Error(Code::kCorrupt, "what was handed over is no handover memory");
  if (format != kFormat || st.st_size != static_cast<off_t>(sizeof(Memory)))
    return Error(Code::kNotSupported, "the mount was made by a version of the program that this one cannot take over from");
  return map(std::move(fd));
}

Handover::~Handover() { ::munmap(memory_, sizeof(Memory)); }

void Handover::keep_init(ByteView request, bool passthrough) {
  if (request.empty() || request.size() > kMaxInit) return;
  std::memcpy(memory_->init, request.data(), request.size());
  memory_->passthrough = passthrough;
  memory_->init_bytes.store(static_cast<std::uint32_t>(request.size()), std::memory_order_release);
}

Bytes Handover::init() const {
  const std::size_t size = std::min<std::size_t>(memory_->init_bytes.load(std::memory_order_acquire), kMaxInit);
  return Bytes(memory_->init, memory_->init + size);
}

bool Handover::passthrough() const { return memory_->passthrough != 0; }

void Handover::opened(const OpenFile& open) {
  const auto handle = static_cast<std::uint64_t>(open.file.handle);
  const std::size_t index = handle & 0xffffffffu;
  if (index >= kMaxOpenFiles) return;
  Memory::File& file = memory_->files[index];
  file.handle.store(0, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  file.inode = open.file.inode.value;
  file.request = open.request;
  file.backing_id = open.backing_id;
  file.flags = (open.file.read ? kRead : 0u) | (open.file.write ? kWrite : 0u) | (open.file.sync ? kSync : 0u) |
               (open.file.passthrough ? kPassthrough : 0u) | (open.file.append ? kAppend : 0u) |
               (open.file.unnamed ? kUnnamed : 0u) | (open.file.failed ? kFailed : 0u);
  file.handle.store(handle, std::memory_order_release);
}

void Handover::closed(HandleId id) {
  const auto handle = static_cast<std::uint64_t>(id);
  const std::size_t index = handle & 0xffffffffu;
  if (index >= kMaxOpenFiles) return;
  std::uint64_t expected = handle;   // the slot may be another handle's by now
  memory_->files[index].handle.compare_exchange_strong(expected, 0);
}

void Handover::failed(HandleId id) {
  const auto handle = static_cast<std::uint64_t>(id);
  const std::size_t index = handle & 0xffffffffu;
  if (index < kMaxOpenFiles && memory_->files[index].handle.load() == handle)
    std::atomic_ref(memory_->files[index].flags).fetch_or(kFailed);
}

std::vector<OpenFile> Handover::open_files() const {
  std::vector<OpenFile> all;
  // Slots are given out from the lowest, but for those that were being filled: a run of never used ones is the end.
  constexpr std::size_t kEnough = 1024;
  std::size_t unused = 0;
  for (std::size_t index = 0; index < kMaxOpenFiles && unused < kEnough; ++index) {
    const Memory::File& file = memory_->files[index];
    const std::uint64_t handle = file.handle.load(std::memory_order_acquire);
    unused = file.inode == 0 ? unused + 1 : 0;
    if (handle == 0 || (handle & 0xffffffffu) != index) continue;
    OpenFile open;
    open.file = {HandleId{handle}, InodeId{file.inode},          (file.flags & kRead) != 0, (file.flags & kWrite) != 0,
                 (file.flags & kAppend) != 0, (file.flags & kSync) != 0, (file.flags & kPassthrough) != 0,
                 (file.flags & kUnnamed) != 0,               (file.flags & kFailed) != 0};
    open.backing_id = file.backing_id;
    open.request = file.request;
    all.push_back(open);
  }
  return all;
}

void Handover::note_backing_id(std::int32_t id) { memory_->last_backing_id.store(id, std::memory_order_release); }
std::int32_t Handover::last_backing_id() const { return memory_->last_backing_id.load(std::memory_order_acquire); }

void Handover::about_to_commit(Lsn lsn) {
  if (serving_request == 0) return;
  Memory::Note& note = memory_->notes[serving_request / 2 % kNotes];   // the kernel's numbers are even
  note.request.store(0, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (lsn == Lsn{}) return;
  note.lsn = lsn.value;
  note.request.store(serving_request, std::memory_order_release);
}

std::optional<Lsn> Handover::commit_of(std::uint64_t request) const {
  const Memory::Note& note = memory_->notes[request / 2 % kNotes];
  if (request == 0 || note.request.load(std::memory_order_acquire) != request) return std::nullopt;
  return Lsn{note.lsn};
}

void Handover::forget_commits_after(Lsn recovered) {
  for (Memory::Note& note : memory_->notes)
    if (note.request.load(std::memory_order_acquire) != 0 && note.lsn > recovered.value) note.request.store(0, std::memory_order_release);
}

void Handover::notice_queued() { memory_->notices_queued.fetch_add(1, std::memory_order_acq_rel); }
void Handover::notices_told(std::uint64_t count) { memory_->notices_told.fetch_add(count, std::memory_order_acq_rel); }
std::uint64_t Handover::notices_missing() const { return memory_->notices_queued.load() - memory_->notices_told.load(); }

ServiceRecord& Handover::service() { return memory_->service; }

Handover::Serving::Serving(std::uint64_t request) : before_(serving_request) { serving_request = request; }
Handover::Serving::~Serving() { serving_request = before_; }

}  // namespace skymoor::client
