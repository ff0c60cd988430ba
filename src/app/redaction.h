// Redaction: what the history keeps of mail addresses (history.redact).
//
//   none    as they are
//   hash    the local part as a keyed hash: <h:3f9a12cd4e5b@far.example>; the same address gives the
//           same text, so `sluice why` and `sluice history --from` still find it by its whole name
//   domain  the domain alone: <@far.example>
//
// A login is treated as a local part. With hash and domain, values in traces that are free text
// (subjects, names, headers) are left out. Clients' IP addresses and names stay: they are what an
// abuse desk asks for.
//
// Threads: any; immutable.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/siphash.h"

namespace sluice::app {

class Redaction {
 public:
  enum class Keep : std::uint8_t { All, Hash, Domain };
  explicit Redaction(Keep keep = Keep::All, SipKey key = {}) : keep_(keep), key_(key) {}
  // word: none, hash or domain. The key stands in `folder`/history.key (mode 0600, made when it is
  // missing), apart from the history itself.
  static Result<Redaction> open(const std::string& word, const std::string& folder);

  bool is_on() const { return keep_ != Keep::All; }
  // Every address in a text; what is none stays.
  std::string addresses(std::string_view text) const;
  std::string login(std::string_view user) const;
  // A value that a rule saw, by the fact's type.
  std::string value(const std::string& fact, std::string_view text) const;

 private:
  std::string local_part(std::string_view local) const;
  Keep keep_;
  SipKey key_;
};

// True when the text names the address, whatever its case, and not only a longer one around it.
bool mentions_address(std::string_view text, std::string_view address);

}  // namespace sluice::app
