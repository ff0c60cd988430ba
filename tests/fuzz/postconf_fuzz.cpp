// rooms: app
// What `sluice doctor` reads of Postfix's configuration.
#include <cstdint>
#include <string_view>

#include "app/postconf.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace sluice;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto entries = app::parse_milters(text);
  fuzz::require(entries.size() <= size, "an entry is at least an octet");
  for (const auto& entry : entries) fuzz::require(!entry.where.empty(), "an entry has a place");
  fuzz::require(app::parse_postfix_time(text) >= Duration{0}, "times are not negative");
  return 0;
}
