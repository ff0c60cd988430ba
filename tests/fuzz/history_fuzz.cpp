// rooms: app
// What the history reads back and what it leaves out: packed traces, and addresses in any text.
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/history_entry.h"
#include "require.h"

namespace {

using namespace sluice::app;
using sluice::fuzz::require;

void check_trace(const std::string& text) {
  const auto trace = unpack_trace(text);
  const std::string packed = pack_trace(trace, Redaction());
  require(packed.size() <= kMaxTraceText, "a packed trace keeps to its cap");
  if (!packed.empty()) require(unpack_trace(packed).size() <= trace.size(), "nothing is made up");
}

// Between redacted texts every local part is gone, whatever stands around it.
void check_redaction(const std::string& text) {
  const Redaction domain(Redaction::Keep::Domain), hash(Redaction::Keep::Hash, {1, 2});
  const std::string once = domain.addresses(text);
  for (std::size_t at = once.find('@'); at != std::string::npos; at = once.find('@', at + 1))
    require(at == 0 || std::isalnum(static_cast<unsigned char>(once[at - 1])) == 0, "no local part is left");
  require(mentions_address(hash.addresses("<owner@a.test> " + text), "owner@a.test") ==
              mentions_address(hash.addresses(text), "owner@a.test"),
          "an address that is redacted is not mentioned any more");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  check_trace(text);
  check_redaction(text);
  return 0;
}
