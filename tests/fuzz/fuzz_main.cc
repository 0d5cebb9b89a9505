// The door to libFuzzer: `TARGET --write-seeds DIRECTORY` writes the target's own seeds, anything else is libFuzzer's.
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

namespace {

int write_seeds(const std::string& directory) {
  ::mkdir(directory.c_str(), 0700);
  int number = 0;
  for (const auto& seed : skymoor::fuzz::seeds()) {
    std::FILE* file = std::fopen((directory + "/seed-" + std::to_string(number++)).c_str(), "wb");
    if (!file || std::fwrite(seed.data(), 1, seed.size(), file) != seed.size() || std::fclose(file) != 0) return 1;
  }
  return number > 0 ? 0 : 1;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc == 3 && std::string((*argv)[1]) == "--write-seeds") std::exit(write_seeds((*argv)[2]));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  skymoor::fuzz::try_input({data, size});
  return 0;
}
