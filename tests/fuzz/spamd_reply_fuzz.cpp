// rooms: backends
// What a spamd, or what stands at its address, may send.
#include "scan_reply_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto protocol = sluice::backends::make_spamd_protocol();
  sluice::fuzz::check_replies(*protocol, bytes, size, "SPAMD/1.1 0 EX_OK\r\n");
  return 0;
}
