// A key record of DKIM (RFC 6376 3.6.1, RFC 8463 4): the TXT record at SELECTOR._domainkey.DOMAIN.
// Text in, plain values out.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxKeyRecord = 16 * 1024;  // bytes; longer ones are errors

enum class KeyType : std::uint8_t { Rsa, Ed25519 };

struct DkimKey {
  KeyType type = KeyType::Rsa;
  std::string bytes;                            // p=, decoded; empty: the key was revoked
  bool takes_sha256 = true;  // h=; rsa-sha1 is no pass whatever it says (RFC 8301)
  bool takes_mail = true;                       // s= has "*" or "email"
  bool is_test = false;                         // t=y
  bool is_strict = false;                       // t=s: the domain of i= must be that of d=
};

// Error{Permanent}: what is wrong, for people. Any other kind of TXT record is one.
Result<DkimKey> parse_dkim_key(std::string_view record);

}  // namespace sluice::facts
