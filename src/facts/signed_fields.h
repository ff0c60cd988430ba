// SignedFields: the header of a message as signatures choose from it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "facts/dkim_signature.h"
#include "mail/session_view.h"

namespace sluice::facts {

class SignedFields {
 public:
  // `headers` outlives it; values as sent.
  explicit SignedFields(const std::vector<mail::Header>& headers);
  // Places of the fields of that name, from top to bottom. `name` in lower case.
  const std::vector<std::size_t>& places(std::string_view name) const;
  const mail::Header& at(std::size_t place) const { return headers_[place]; }
  // SHA-256 of what `signature`, which stands at `place`, covers of the header (RFC 6376 3.7): each
  // name in h= takes the lowest field that is not taken yet, a name for which none is left takes
  // nothing; its own field comes last, without the value of b=.
  std::string digest(const DkimSignature& signature, std::size_t place) const;

 private:
  const std::vector<mail::Header>& headers_;
  std::unordered_map<std::string, std::vector<std::size_t>, KeyedHash> places_;
};

}  // namespace sluice::facts
