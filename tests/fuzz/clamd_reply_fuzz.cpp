// rooms: backends
// What a clamd, or what stands at its address, may send.
#include "scan_reply_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto protocol = sluice::backends::make_clamd_protocol();
  sluice::fuzz::check_replies(*protocol, bytes, size, "stream: ");
  return 0;
}
