// Private to the room: a device's public half is part of several messages.
#pragma once
#include "shared/protocol/accounts.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::protocol {

Json device_json(const DevicePublic& device);
DevicePublic read_device_public(FieldReader& in);

}  // namespace skymoor::protocol
