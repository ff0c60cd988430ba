// rooms: facts
// Authentication-Results fields that others have written, and values that go into ours.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "facts/authentication_results.h"
#include "require.h"

namespace {

using namespace sluice::facts;
using sluice::fuzz::require;

// Reads a value back as RFC 8601 has it; `rest` is what stands behind it.
std::string read_back(std::string_view written, std::string_view& rest) {
  std::string out;
  std::size_t i = 0;
  if (written.front() != '"') {
    while (i < written.size() && written[i] != ';' && written[i] != ' ')
      out.push_back(written[i++]);
  } else {
    for (i = 1; i < written.size() && written[i] != '"'; ++i) {
      if (written[i] == '\\') ++i;
      out.push_back(written[i]);
    }
    ++i;
  }
  rest = written.substr(i);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::string id = claimed_authserv_id(text);
  require(id.find_first_of(" \t\r\n;()\"\\/") == std::string::npos, "a name is one word");
  require(claimed_authserv_id(" (" + std::string("comment") + ") mx.here.example; " +
                              std::string(text)) == "mx.here.example",
          "nothing behind a name hides it");
  const std::string value = results_value(text) + "; dkim=none";
  for (const char c : value) require(c >= ' ' && c < 0x7f, "a value is printable ASCII");
  std::string_view rest;
  const std::string back = read_back(value, rest);
  require(rest == "; dkim=none", "a value ends where it should");
  require(back.size() == std::min<std::size_t>(size, 256), "a value keeps its length");
  return 0;
}
