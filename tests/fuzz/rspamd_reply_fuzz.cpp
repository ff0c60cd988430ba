// rooms: backends
// HTTP and JSON of a rspamd, or of what stands at its address.
#include "scan_reply_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto protocol = sluice::backends::make_rspamd_protocol();
  sluice::fuzz::check_replies(*protocol, bytes, size, "HTTP/1.1 200 OK\r\n\r\n");
  return 0;
}
