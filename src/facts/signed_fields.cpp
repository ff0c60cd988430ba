#include "facts/signed_fields.h"

#include "facts/public_key.h"

namespace sluice::facts {

SignedFields::SignedFields(const std::vector<mail::Header>& headers) : headers_(headers) {
  for (std::size_t i = 0; i < headers.size(); ++i)
    places_[fold(trim_folding(headers[i].name))].push_back(i);
}

const std::vector<std::size_t>& SignedFields::places(std::string_view name) const {
  static const std::vector<std::size_t> none;
  const auto found = places_.find(std::string(name));
  return found != places_.end() ? found->second : none;
}

std::string SignedFields::digest(const DkimSignature& signature, std::size_t place) const {
  Sha256 digest;
  std::string text;
  std::unordered_map<std::string_view, std::size_t, KeyedHash> left;
  for (const std::string& name : signature.signed_fields) {
    const auto& of_name = places(name);
    std::size_t& rest = left.try_emplace(name, of_name.size()).first->second;
    if (rest > 0 && of_name[rest - 1] == place) --rest;  // its own field is never one of them
    if (rest == 0) continue;
    const mail::Header& field = headers_[of_name[--rest]];
    text.clear();
    append_canonical_field(text, signature.header_form, field.name, field.value);
    digest.feed(text);
    digest.feed("\r\n");
  }
  text.clear();
  append_canonical_field(text, signature.header_form, headers_[place].name,
                         without_signature(headers_[place].value));
  digest.feed(text);
  return digest.take();
}

}  // namespace sluice::facts
