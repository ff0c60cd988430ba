#include "backends/given_dns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "backends/dns_name.h"
#include "base/text.h"

namespace sluice::backends {

namespace {

constexpr std::array<std::pair<std::string_view, DnsStatus>, 3> kStatusWords{
    {{"nxdomain", DnsStatus::NxDomain},
     {"servfail", DnsStatus::ServFail},
     {"timeout", DnsStatus::Timeout}}};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 80)) + "'"; }

// --- one value of each type ---

std::optional<DnsRecord> parse_address(std::string_view value, bool v4) {
  const std::optional<IpAddress> address = IpAddress::parse(value);
  if (!address || address->is_v4() != v4) return std::nullopt;
  return DnsRecord{.address = *address, .text = {}};
}
std::optional<DnsRecord> parse_a(std::string_view value) { return parse_address(value, true); }
std::optional<DnsRecord> parse_aaaa(std::string_view value) { return parse_address(value, false); }

std::optional<DnsRecord> parse_name(std::string_view value) {
  std::optional<std::string> name = canonical_dns_name(value);
  if (!name) return std::nullopt;
  return DnsRecord{.address = {}, .text = std::move(*name)};
}

std::optional<DnsRecord> parse_mx(std::string_view value) {
  std::uint16_t preference = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, preference);
  if (error != std::errc{} || rest == end || *rest != ' ') return std::nullopt;
  std::string_view host(rest, static_cast<std::size_t>(end - rest));
  host.remove_prefix(host.find_first_not_of(' ') == std::string_view::npos
                         ? host.size()
                         : host.find_first_not_of(' '));
  std::optional<DnsRecord> record = parse_name(host);
  if (record) record->preference = preference;
  return record;
}

std::optional<DnsRecord> parse_txt(std::string_view value) {
  if (value.size() > kMaxTxtBytes) return std::nullopt;
  return DnsRecord{.address = {}, .text = std::string(value)};
}

struct ValueForm {
  DnsType type;
  std::optional<DnsRecord> (*parse)(std::string_view);
  std::string_view expected;
};
constexpr std::array<ValueForm, 7> kForms{
    {{DnsType::A, parse_a, "an IPv4 address"},
     {DnsType::Aaaa, parse_aaaa, "an IPv6 address"},
     {DnsType::Mx, parse_mx, "\"PREFERENCE HOST\""},
     {DnsType::Ptr, parse_name, "a name"},
     {DnsType::Ns, parse_name, "a name"},
     {DnsType::Cname, parse_name, "a name"},
     {DnsType::Txt, parse_txt, "text of at most 65535 bytes"}}};

const ValueForm& form_of(DnsType type) {
  return *std::find_if(kForms.begin(), kForms.end(),
                       [&](const ValueForm& f) { return f.type == type; });
}

// --- the key ---

struct Key {
  std::string name;
  DnsType type;
};

Result<Key> parse_key(std::string_view key) {
  const std::size_t blank = key.rfind(' ');
  if (blank == std::string_view::npos)
    return config_error("DNS answer " + quoted(key) + ": expected \"NAME TYPE\"");
  const std::string_view name = trim(key.substr(0, blank));
  const std::string type_name = upper(key.substr(blank + 1));
  const std::optional<DnsType> type = parse_dns_type(type_name);
  if (!type)
    return config_error("DNS answer " + quoted(key) +
                        ": the type is one of A AAAA CNAME MX NS PTR TXT");
  if (const auto address = IpAddress::parse(name); address && *type == DnsType::Ptr) {
    return Key{address->reverse_name(), *type};
  }
  std::optional<std::string> canonical = canonical_dns_name(name);
  if (!canonical) return config_error("DNS answer " + quoted(key) + ": not a domain name");
  return Key{std::move(*canonical), *type};
}

std::optional<DnsStatus> status_word(const std::vector<std::string>& values) {
  if (values.size() != 1) return std::nullopt;
  for (const auto& [word, status] : kStatusWords) {
    if (values.front() == word) return status;
  }
  return std::nullopt;
}

}  // namespace

Result<void> GivenDns::add(std::string_view key_text, const std::vector<std::string>& values) {
  Result<Key> key = parse_key(key_text);
  if (!key) return tl::unexpected<Error>(key.error());
  DnsAnswer answer;
  if (const auto status = status_word(values)) {
    answer.status = *status;
  } else {
    const ValueForm& form = form_of(key->type);
    for (const std::string& value : values) {
      std::optional<DnsRecord> record = form.parse(value);
      if (!record) {
        return config_error("DNS answer " + quoted(key_text) + ": " + quoted(value) + " is not " +
                            std::string(form.expected));
      }
      if (answer.records.size() < kMaxDnsRecords) answer.records.push_back(std::move(*record));
    }
    answer.status = answer.records.empty() ? DnsStatus::NoData : DnsStatus::Ok;
  }
  names_[key->name][key->type] = std::move(answer);
  return {};
}

DnsAnswer GivenDns::answer(const std::string& asked, DnsType type) const {
  std::string name = asked;
  for (int aliases = 0; aliases <= kMaxGivenAliases; ++aliases) {
    const auto types = names_.find(name);
    if (types == names_.end()) return DnsAnswer{.status = DnsStatus::NxDomain, .records = {}};
    if (const auto given = types->second.find(type); given != types->second.end())
      return given->second;
    const auto alias = types->second.find(DnsType::Cname);
    if (alias == types->second.end()) {
      // RFC 8020: NXDOMAIN is said of the name, not of one type.
      const bool exists =
          std::any_of(types->second.begin(), types->second.end(),
                      [](const auto& t) { return t.second.status != DnsStatus::NxDomain; });
      return DnsAnswer{.status = exists ? DnsStatus::NoData : DnsStatus::NxDomain, .records = {}};
    }
    if (alias->second.status != DnsStatus::Ok) return alias->second;
    name = alias->second.records.front().text;
  }
  return DnsAnswer{.status = DnsStatus::ServFail, .records = {}};
}

void GivenDns::query(const std::string& name, DnsType type, TimePoint, DnsDone done) {
  ++queries_;
  const std::optional<std::string> canonical = canonical_dns_name(name);
  done(canonical ? answer(*canonical, type)
                 : DnsAnswer{.status = DnsStatus::NxDomain, .records = {}});
}

}  // namespace sluice::backends
