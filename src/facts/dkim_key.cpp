#include "facts/dkim_key.h"

#include <algorithm>

#include "base/text.h"
#include "facts/base64.h"
#include "facts/tag_list.h"

namespace sluice::facts {

namespace {

bool has_word(std::string_view list, std::string_view word) {
  const auto words = split(list, ':');
  return std::any_of(words.begin(), words.end(), [word](std::string_view item) {
    return equal_folded(trim_folding(item), word);
  });
}

Result<void> read_type(std::string_view value, DkimKey& key) {
  if (equal_folded(value, "rsa")) return {};
  if (!equal_folded(value, "ed25519")) return permanent("unknown key type in k=");
  key.type = KeyType::Ed25519;
  return {};
}
Result<void> read_version(std::string_view value, DkimKey&) {
  return value == "DKIM1" ? Result<void>() : permanent("v= is not DKIM1");
}
Result<void> read_hashes(std::string_view value, DkimKey& key) {
  key.takes_sha256 = has_word(value, "sha256");
  return {};
}
Result<void> read_services(std::string_view value, DkimKey& key) {
  key.takes_mail = has_word(value, "*") || has_word(value, "email");
  return {};
}
Result<void> read_flags(std::string_view value, DkimKey& key) {
  key.is_test = has_word(value, "y");
  key.is_strict = has_word(value, "s");
  return {};
}
Result<void> read_bytes(std::string_view value, DkimKey& key) {
  auto bytes = decode_base64(value);
  if (!bytes) return permanent("p= is no base 64");
  key.bytes = std::move(*bytes);
  return {};
}

struct TagRule {
  std::string_view tag;
  Result<void> (*read)(std::string_view value, DkimKey& key);
};
constexpr TagRule kRules[] = {
    {"v", read_version},  {"k", read_type},  {"h", read_hashes},
    {"s", read_services}, {"t", read_flags}, {"p", read_bytes},
};

}  // namespace

Result<DkimKey> parse_dkim_key(std::string_view record) {
  if (record.size() > kMaxKeyRecord) return permanent("too long");
  const auto tags = TagList::parse(record);
  if (!tags) return tl::unexpected(tags.error());
  if (tags->find("v") && tags->tags().front().first != "v") return permanent("v= is not first");
  if (!tags->find("p")) return permanent("p= is missing");
  DkimKey key;
  for (const TagRule& rule : kRules) {
    const auto value = tags->find(rule.tag);
    if (!value) continue;
    if (const auto read = rule.read(*value, key); !read) return tl::unexpected(read.error());
  }
  return key;
}

}  // namespace sluice::facts
