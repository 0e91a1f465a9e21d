#include <algorithm>
#include <cstdlib>

#include "fuzzers/script.h"
#include "worker/wire/pipe_header.h"

// A header and a payload out of the input: they come out of a pipe as they went in, and so does the
// input itself, whatever it is.
namespace {

using namespace sluice::worker;

void Cross(const PipeHeader& header, const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> message = MakePipePrefix(header, payload);
  message.insert(message.end(), payload.begin(), payload.end());
  const PipeMessage parsed = ParsePipeMessage(message);
  if (parsed.header != header) abort();
  if (!std::equal(parsed.payload.begin(), parsed.payload.end(), payload.begin(), payload.end())) {
    abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> all(data, data + size);
  const PipeMessage parsed = ParsePipeMessage(all);
  Cross({}, all);
  Cross(parsed.header, {parsed.payload.begin(), parsed.payload.end()});
  fuzz::Script script(data, size);
  PipeHeader header;
  const uint8_t bits = script.Byte();
  for (int i = 0; i < (bits & 7); ++i) {
    header.subchannels.push_back(static_cast<uint16_t>(script.Byte() << 8 | script.Byte()));
  }
  if ((bits & 8) != 0) header.required_subchannel = script.Byte();
  if ((bits & 16) != 0) header.ignored_subchannel = script.Byte();
  Cross(header, all);
  Cross(header,
        std::vector<uint8_t>(all.begin() + static_cast<std::ptrdiff_t>(size / 2), all.end()));
  return 0;
}
