// rooms: facts
// SPF records and macro strings of hostile domains.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "facts/spf_record.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::facts;
using fuzz::require;

SpfMacroValues values() {
  SpfMacroValues v;
  v.local_part = "ann+news";
  v.sender_domain = v.domain = "mail.far.example";
  v.client = *IpAddress::parse("2001:db8::1");
  v.validated_name = "unknown";
  v.helo = "Mail.Far.example";
  v.receiver = "mx.here.example";
  return v;
}

void check_macros(std::string_view text) {
  const SpfMacroValues v = values();
  if (const auto spec = SpfMacroString::parse_domain_spec(text)) {
    const std::string domain = spec->expand_domain(v);
    require(domain.size() <= 253 || domain.find('.') == std::string::npos,
            "an expanded domain is cut");
    require(SpfMacroString::parse_any(text).has_value(), "a domain-spec is a macro-string");
  }
  if (const auto explanation = SpfMacroString::parse_explanation(text)) {
    require(explanation->expand_text(v).size() <= kMaxSpfExplanation, "an explanation is cut");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_macros(text);
  const std::string record = "v=spf1 " + std::string(text);
  const auto parsed = parse_spf_record(record);
  if (!parsed) {
    require(!parsed.error().what.empty(), "an error says what is wrong");
    return 0;
  }
  for (const SpfDirective& d : parsed->directives) {
    require(d.v4_length >= 0 && d.v4_length <= 32, "an IPv4 prefix has 0 to 32 bits");
    require(d.v6_length >= 0 && d.v6_length <= 128, "an IPv6 prefix has 0 to 128 bits");
  }
  require(parse_spf_record("v=spf1  " + std::string(text) + " ").has_value() ||
              size + 9 > kMaxSpfRecord,
          "blanks around the terms change nothing");
  require(!parse_spf_record(record + " nonsense"),
          "one unknown mechanism makes the record an error");
  return 0;
}
