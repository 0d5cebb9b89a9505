// SpareRoom: bytes of the state's disk that are kept for a start when others have filled it.
#pragma once
#include "shared/base/file.h"

namespace skymoor::client {

/// A process that is to take a mount over must write a little (a few pages of its database) before it can serve. A file takes
/// the room for that in good times, and goes when a start finds none. Best effort: where there is no such file, the start says
/// that the disk is full.
class SpareRoom {
 public:
  /// `path`: the file, on the disk that the room is for.
  SpareRoom(Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  /// Takes the room, if the disk has plenty and it is not taken yet. Source: posix_fallocate(3).
  void keep();
  /// Gives it to whoever writes next. False: there was none.
  bool give();

 private:
  Status take();

  Disk& disk_;
  const std::string path_;
};

}  // namespace skymoor::client
