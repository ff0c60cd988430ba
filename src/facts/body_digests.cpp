#include "facts/body_digests.h"

#include <algorithm>

namespace sluice::facts {

std::size_t BodyDigests::want(Canonical form, std::optional<std::uint64_t> length) {
  for (std::size_t i = 0; i < digests_.size(); ++i)
    if (digests_[i].form == form && digests_[i].length == length) return i;
  const bool is_fed = std::any_of(forms_.begin(), forms_.end(),
                                  [form](const Form& other) { return other.form == form; });
  if (!is_fed) forms_.push_back({form, CanonicalBody(form)});
  digests_.push_back({form, length, 0, Sha256(), {}});
  return digests_.size() - 1;
}

void BodyDigests::Digest::take(std::string_view bytes) {
  const std::uint64_t room = length ? *length - std::min(*length, seen) : bytes.size();
  seen += bytes.size();
  sha.feed(bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(room, bytes.size()))));
}

void BodyDigests::give(Canonical form, std::string_view bytes) {
  for (Digest& digest : digests_)
    if (digest.form == form) digest.take(bytes);
}

void BodyDigests::feed(std::string_view chunk) {
  for (Form& form : forms_)
    form.body.feed(chunk, [&](std::string_view bytes) { give(form.form, bytes); });
}

void BodyDigests::end() {
  for (Form& form : forms_) form.body.end([&](std::string_view bytes) { give(form.form, bytes); });
  for (Digest& digest : digests_) digest.value = digest.sha.take();
}

bool BodyDigests::is_whole(std::size_t which) const {
  const Digest& digest = digests_[which];
  return !digest.length || digest.seen >= *digest.length;
}

}  // namespace sluice::facts
