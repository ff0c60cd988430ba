#include "facts/dkim_signature.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "facts/base64.h"
#include "mail/domain.h"

namespace sluice::facts {

namespace {

constexpr std::size_t kMaxDigits = 76;      // of l= (3.5)
constexpr std::size_t kMaxTimeDigits = 12;  // of t= and x=
constexpr std::size_t kStartOfSignature = 8;

struct AlgorithmName {
  std::string_view name;
  SigningAlgorithm algorithm;
};
constexpr AlgorithmName kAlgorithms[] = {
    {"rsa-sha1", SigningAlgorithm::RsaSha1},
    {"rsa-sha256", SigningAlgorithm::RsaSha256},
    {"ed25519-sha256", SigningAlgorithm::Ed25519Sha256},
};

using Read = Result<void> (*)(std::string_view value, DkimSignature& signature);

Result<void> read_algorithm(std::string_view value, DkimSignature& signature) {
  for (const AlgorithmName& row : kAlgorithms) {
    if (!equal_folded(row.name, value)) continue;
    signature.algorithm = row.algorithm;
    return {};
  }
  return permanent("unknown algorithm in a=");
}

std::optional<Canonical> canonical_of(std::string_view name) {
  if (equal_folded(name, "simple")) return Canonical::Simple;
  if (equal_folded(name, "relaxed")) return Canonical::Relaxed;
  return std::nullopt;
}

// Without a second word the body's form is simple.
Result<void> read_forms(std::string_view value, DkimSignature& signature) {
  const std::size_t slash = value.find('/');
  const auto header = canonical_of(value.substr(0, slash));
  const auto body =
      slash == std::string_view::npos ? Canonical::Simple : canonical_of(value.substr(slash + 1));
  if (!header || !body) return permanent("unknown canonical form in c=");
  signature.header_form = *header;
  signature.body_form = *body;
  return {};
}

Result<void> read_domain(std::string_view value, DkimSignature& signature) {
  auto domain = mail::to_ascii_domain(value);
  if (!domain || mail::has_final_dot(value)) return permanent("d= is no domain");
  signature.domain = std::move(*domain);
  return {};
}

Result<void> read_selector(std::string_view value, DkimSignature& signature) {
  // A selector is sub-domains, of which keys in the wild have underscores as well.
  std::string letters(value);
  std::replace(letters.begin(), letters.end(), '_', 'x');
  const auto domain = mail::to_ascii_domain(letters);
  if (!domain || mail::has_final_dot(value)) return permanent("s= is no selector");
  signature.selector = letters == value ? *domain : fold(value);
  return {};
}

// [local-part]@domain; only the domain is of interest.
Result<void> read_identity(std::string_view value, DkimSignature& signature) {
  const std::size_t at = value.rfind('@');
  auto domain =
      at == std::string_view::npos ? std::nullopt : mail::to_ascii_domain(value.substr(at + 1));
  if (!domain) return permanent("i= is no identity");
  signature.identity_domain = std::move(*domain);
  return {};
}

Result<void> read_fields(std::string_view value, DkimSignature& signature) {
  for (const std::string_view name : split(value, ':')) {
    const std::string_view trimmed = trim_folding(name);
    if (trimmed.empty()) return permanent("an empty name in h=");
    if (signature.signed_fields.size() == kMaxSignedFields)
      return permanent("too many names in h=");
    signature.signed_fields.push_back(fold(trimmed));
  }
  return {};
}

Result<void> read_body_hash(std::string_view value, DkimSignature& signature) {
  auto bytes = decode_base64(value);
  if (!bytes || bytes->empty()) return permanent("bh= is no base 64");
  signature.body_hash = std::move(*bytes);
  return {};
}

Result<void> read_signature(std::string_view value, DkimSignature& signature) {
  auto bytes = decode_base64(value);
  if (!bytes || bytes->empty()) return permanent("b= is no base 64");
  if (bytes->size() > kMaxSignatureBytes) return permanent("b= is too long");
  signature.signature = std::move(*bytes);
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (signature.signature_start.size() == kStartOfSignature) break;
    signature.signature_start.push_back(c);
  }
  return {};
}

template <class Number>
std::optional<Number> number(std::string_view value, std::size_t most_digits) {
  const bool digits =
      std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (value.empty() || value.size() > most_digits || !digits) return std::nullopt;
  Number result{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  // More than any body has, or any clock shows.
  return error == std::errc{} ? result : std::numeric_limits<Number>::max();
}

Result<void> read_length(std::string_view value, DkimSignature& signature) {
  signature.body_length = number<std::uint64_t>(value, kMaxDigits);
  return signature.body_length ? Result<void>() : permanent("l= is no number");
}
Result<void> read_signed_at(std::string_view value, DkimSignature& signature) {
  signature.signed_at = number<std::int64_t>(value, kMaxTimeDigits);
  return signature.signed_at ? Result<void>() : permanent("t= is no time");
}
Result<void> read_expires_at(std::string_view value, DkimSignature& signature) {
  signature.expires_at = number<std::int64_t>(value, kMaxTimeDigits);
  return signature.expires_at ? Result<void>() : permanent("x= is no time");
}
Result<void> read_version(std::string_view value, DkimSignature&) {
  return value == "1" ? Result<void>() : permanent("v= is not 1");
}
Result<void> read_query(std::string_view value, DkimSignature&) {
  for (const std::string_view method : split(value, ':'))
    if (equal_folded(trim_folding(method), "dns/txt")) return {};
  return permanent("q= has no dns/txt");
}
Result<void> refuse(std::string_view, DkimSignature&) {
  return permanent("a tag that must not be there");
}

enum class Need : std::uint8_t { Required, Optional };
struct TagRule {
  std::string_view tag;
  Need need;
  Read read;
};

constexpr TagRule kDkimRules[] = {
    {"v", Need::Required, read_version},   {"a", Need::Required, read_algorithm},
    {"d", Need::Required, read_domain},    {"s", Need::Required, read_selector},
    {"h", Need::Required, read_fields},    {"bh", Need::Required, read_body_hash},
    {"b", Need::Required, read_signature}, {"c", Need::Optional, read_forms},
    {"i", Need::Optional, read_identity},  {"l", Need::Optional, read_length},
    {"t", Need::Optional, read_signed_at}, {"x", Need::Optional, read_expires_at},
    {"q", Need::Optional, read_query},
};
constexpr TagRule kArcMessageRules[] = {
    {"a", Need::Required, read_algorithm},  {"d", Need::Required, read_domain},
    {"s", Need::Required, read_selector},   {"h", Need::Required, read_fields},
    {"bh", Need::Required, read_body_hash}, {"b", Need::Required, read_signature},
    {"c", Need::Optional, read_forms},      {"l", Need::Optional, read_length},
    {"t", Need::Optional, read_signed_at},  {"x", Need::Optional, read_expires_at},
    {"q", Need::Optional, read_query},
};
constexpr TagRule kArcSealRules[] = {
    {"a", Need::Required, read_algorithm}, {"d", Need::Required, read_domain},
    {"s", Need::Required, read_selector},  {"b", Need::Required, read_signature},
    {"t", Need::Optional, read_signed_at}, {"h", Need::Optional, refuse},
    {"bh", Need::Optional, refuse},        {"l", Need::Optional, refuse},
};

template <std::size_t N>
Result<DkimSignature> parse(std::string_view value, const TagRule (&rules)[N]) {
  const auto tags = TagList::parse(value);
  if (!tags) return tl::unexpected(tags.error());
  DkimSignature signature;
  for (const TagRule& rule : rules) {
    const auto text = tags->find(rule.tag);
    if (!text && rule.need == Need::Optional) continue;
    if (!text) return permanent(std::string(rule.tag) + "= is missing");
    if (const auto read = rule.read(*text, signature); !read) return tl::unexpected(read.error());
  }
  if (signature.identity_domain.empty()) signature.identity_domain = signature.domain;
  return signature;
}

bool covers(const DkimSignature& signature, std::string_view field) {
  const auto& names = signature.signed_fields;
  return std::find(names.begin(), names.end(), field) != names.end();
}

}  // namespace

std::string_view algorithm_name(SigningAlgorithm algorithm) {
  return kAlgorithms[static_cast<std::size_t>(algorithm)].name;
}

Result<DkimSignature> parse_dkim_signature(std::string_view value) {
  auto signature = parse(value, kDkimRules);
  if (!signature) return signature;
  if (!covers(*signature, "from")) return permanent("From is not signed");
  if (!mail::is_under(signature->identity_domain, signature->domain))
    return permanent("i= is not below d=");
  if (signature->signed_at && signature->expires_at &&
      *signature->expires_at <= *signature->signed_at)
    return permanent("x= is not behind t=");
  return signature;
}

Result<DkimSignature> parse_arc_message_signature(std::string_view value) {
  auto signature = parse(value, kArcMessageRules);
  if (signature && covers(*signature, "arc-seal")) return permanent("ARC-Seal is signed");
  return signature;
}

Result<DkimSignature> parse_arc_seal(std::string_view value) { return parse(value, kArcSealRules); }

}  // namespace sluice::facts
