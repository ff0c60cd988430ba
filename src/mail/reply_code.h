// The catalogue of reply codes: the only copy of the table in code. `sluice codes` prints it, the loader checks every
// `then:` against it, callout reads the codes that only an MTA says.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::mail {

// RFC 3463: class 2, 4 or 5; subject and detail 0..999.
struct EnhancedStatus {
  std::uint16_t status_class = 5, subject = 7, detail = 1;
  static std::optional<EnhancedStatus> parse(std::string_view text);  // "5.7.1"
  std::string to_string() const;
  bool operator==(const EnhancedStatus&) const = default;
};

struct ReplyCode {
  std::uint16_t code;           // 100..559
  EnhancedStatus enhanced;      // default of the table; class 0 where a policy cannot give the code
  std::string_view text;        // default text
  std::string_view cause;       // which shipped rule gives it, or what Sluice does when an MTA says it
  std::string_view stages;      // where it makes sense
  std::uint16_t rfc_code;       // what `reply_codes: rfc` answers instead; same class
  EnhancedStatus rfc_enhanced;
  bool by_policy;               // false: said by MTAs only, a policy may not give it
};

// All codes, ascending.
std::span<const ReplyCode> reply_codes();
// nullptr: not in the table.
const ReplyCode* find_reply_code(int code);
// What `reply_codes: rfc` answers for `code`; the class and a status that the rule wrote stay. 512 with 5.1.10 is 556.
int rfc_reply_code(int code, const EnhancedStatus& status);
// Default text for an enhanced status, if the catalogue has one (5.7.23 "SPF ..."); empty otherwise.
std::string_view status_text(const EnhancedStatus& status);
// What a reply says whose rule has no text: the code's own text with the code's own status ("431 4.7.28 Too many messages
// to this domain"), else the text of the status, else the code's. Empty for a code that is not in the table.
std::string_view default_text(int code, const EnhancedStatus& status);

}  // namespace sluice::mail
