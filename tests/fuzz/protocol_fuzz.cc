// Messages of the API, JSON and binary, in both directions.
#include "shared/protocol/accounts.h"
#include "shared/protocol/blocks.h"
#include "shared/protocol/failure.h"
#include "shared/protocol/volumes.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace protocol;

template <typename Message>
void try_message(ByteView json) {
  auto message = decode<Message>(json);
  if (!message.ok()) return;
  check_round_trip(*message, [](const Message& m) { return encode(m); },
                   [](const std::string& text) { return decode<Message>(as_bytes(text)); }, "message");
}

using Try = void (*)(ByteView);
constexpr Try kMessages[] = {
    try_message<RegisterStart>,      try_message<RegisterChallenge>,       try_message<RegisterFinish>,
    try_message<ParametersRequest>,  try_message<LoginParameters>,         try_message<LoginStart>,
    try_message<LoginChallenge>,     try_message<LoginFinish>,             try_message<RefreshRequest>,
    try_message<Session>,            try_message<KeyBundle>,               try_message<std::vector<DeviceInfo>>,
    try_message<VolumeInfo>,         try_message<std::vector<VolumeInfo>>, try_message<CreateVolume>,
    try_message<WriterLease>,        try_message<CommitReply>,             try_message<std::vector<DevicePublic>>,
    try_message<ChangeEvent>,        try_message<BeginEpoch>};
constexpr unsigned kBinary = std::size(kMessages);

void try_binary(Choices choices) {
  switch (choices.below(3)) {
    case 0: {
      auto ids = decode_block_ids(choices.rest(), 1000);
      if (ids.ok())
        check_round_trip(*ids, encode_block_ids, [](const Bytes& b) { return decode_block_ids(b, 1000); }, "block ids");
      return;
    }
    case 1: {
      auto states = decode_block_states(choices.rest());
      if (states.ok())
        check_round_trip(*states, encode_block_states, [](const Bytes& b) { return decode_block_states(b); }, "states");
      return;
    }
    default: {
      const int status = 400 + static_cast<int>(choices.below(200));
      const Error failure = decode_failure(status, choices.rest());
      const std::string text = encode_failure(failure, "id");
      // Internal errors do not say what they were; all others come back as they were.
      const Error again = decode_failure(http_status_of(failure.code()), as_bytes(text));
      check(http_status_of(again.code()) == http_status_of(failure.code()) || http_status_of(failure.code()) >= 500,
            "failure");
    }
  }
}

DevicePublic some_device() { return {DeviceId{{1}}, "laptop", Bytes(32, 1), Bytes(32, 2)}; }

UserKeys some_keys() {
  return {1, Bytes(32, 1), Bytes(32, 2), Bytes(48, 3), Bytes(48, 4), Bytes(32, 5)};
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  const unsigned which = choices.below(kBinary + 1);
  if (which == kBinary) return try_binary(choices);
  kMessages[which](choices.rest());
}

std::vector<Bytes> seeds() {
  VolumeInfo volume;
  volume.sealed_key = Bytes(80, 1);
  volume.sealed_label = Bytes(48, 2);
  CreateVolume create;
  create.sealed_key = Bytes(80, 1);
  create.sealed_label = Bytes(48, 2);
  const std::string texts[] = {
      encode(RegisterStart{"ada", Bytes(33, 2)}),
      encode(RegisterChallenge{"id", Bytes(66, 2), "skymoor", 17}),
      encode(RegisterFinish{"id", Bytes(129, 2), some_keys(), some_device()}),
      encode(ParametersRequest{"ada"}),
      encode(LoginParameters{"skymoor", 17}),
      encode(LoginStart{"ada", Bytes(98, 2)}),
      encode(LoginChallenge{"id", Bytes(259, 2)}),
      encode(LoginFinish{"id", Bytes(32, 2), some_device(), Bytes(64, 3)}),
      encode(RefreshRequest{"token"}),
      encode(Session{UserId{{1}}, "access", "refresh", 600, false}),
      encode(KeyBundle{UserId{{1}}, "ada", some_keys()}),
      encode(std::vector<DeviceInfo>{{some_device(), {}, {}, true}}),
      encode(volume),
      encode(std::vector<VolumeInfo>{volume, volume}),
      encode(create),
      encode(WriterLease{WriterId{4}}),
      encode(CommitReply{Sequence{1}, {}, Sequence{2}}),
      encode(std::vector<DevicePublic>{some_device()}),
      encode(ChangeEvent{VolumeId{{1}}, Sequence{3}}),
      encode(BeginEpoch{Epoch{2}, Sequence{3}, Hash256{{4}}, Bytes(64, 5)})};
  std::vector<Bytes> out;
  for (std::size_t i = 0; i < std::size(texts); ++i)
    out.push_back(with_choice(static_cast<std::uint8_t>(i), as_bytes(texts[i])));
  const auto binary = [&](std::uint8_t kind, ByteView bytes) {
    out.push_back(with_choice(kBinary, with_choice(kind, bytes)));
  };
  binary(0, encode_block_ids({BlockId{{1}}, BlockId{{2}}}));
  binary(1, encode_block_states({{BlockId{{1}}, BlockState::kStored, {}}, {BlockId{{2}}, BlockState::kPartial, {0, 3}}}));
  binary(2, with_choice(9, as_bytes(encode_failure(Error(Code::kConflict, "changed"), "id"))));
  return out;
}

}  // namespace skymoor::fuzz
