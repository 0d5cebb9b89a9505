// HistoryRemote: what the server keeps of a volume's past.
#pragma once
#include "fuse/remote/call_options.h"
#include "fuse/remote/remote_session.h"
#include "shared/model/history.h"

namespace skymoor::client {

/// One method per route; thread-safe; every call blocks, bounded by its options, and makes one attempt. Errors common to
/// all: those of VolumeRemote.
class HistoryRemote {
 public:
  HistoryRemote(RemoteSession& session, VolumeId volume) : session_(session), volume_(volume) {}

  /// A page of an inode's versions, newest first, before `before` (0: from the newest). Errors: NotFound (the server never
  /// heard of the inode).
  Result<VersionPage> versions(InodeId inode, Sequence before, const CallOptions& options);
  /// The sealed manifest of a version. Errors: NotFound.
  Result<Bytes> manifest(InodeId inode, Sequence version, const CallOptions& options);
  /// A page of what was deleted from a directory; `token` not zero: only under that name.
  Result<TrashPage> trash(InodeId directory, const NameToken& token, ByteView cursor, const CallOptions& options);

 private:
  Result<Bytes> get(const std::string& path, const CallOptions& options);

  RemoteSession& session_;
  const VolumeId volume_;
};

}  // namespace skymoor::client
