// How an inode record is written in every format that holds one: see MODEL.md, listings. Private to the room.
#pragma once
#include "shared/model/listing.h"

namespace skymoor {

void encode(ByteWriter& out, const InodeRecord& record);
/// Fails the reader on a malformed one.
InodeRecord decode_inode_record(ByteReader& in);

}  // namespace skymoor
