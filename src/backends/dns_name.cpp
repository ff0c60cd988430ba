#include "backends/dns_name.h"

namespace sluice::backends {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_label_byte(char c) { return c >= ' ' && c < '\x7f' && c != '\\'; }

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string last_label_first(std::string_view labels, char separator, std::size_t group) {
  std::string out;
  std::size_t count = 0;
  while (!labels.empty()) {
    const std::size_t dot = labels.rfind('.');
    const std::string_view label = dot == std::string_view::npos ? labels : labels.substr(dot + 1);
    labels = dot == std::string_view::npos ? std::string_view{} : labels.substr(0, dot);
    if (count != 0 && count % group == 0) out += separator;
    out += label;
    ++count;
  }
  return out;
}

}  // namespace

std::optional<std::string> canonical_dns_name(std::string_view text) {
  if (text == ".") return std::string{};
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxDnsName) return std::nullopt;
  std::string name;
  name.reserve(text.size());
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.' ? label == 0 : !is_label_byte(c)) return std::nullopt;
    label = c == '.' ? 0 : label + 1;
    if (label > kMaxDnsLabel) return std::nullopt;
    name += lower(c);
  }
  if (label == 0) return std::nullopt;
  return name;
}

std::optional<IpAddress> address_of_reverse_name(std::string_view name) {
  static constexpr std::string_view kV4 = ".in-addr.arpa", kV6 = ".ip6.arpa";
  std::optional<IpAddress> address;
  if (ends_with(name, kV4)) {
    address = IpAddress::parse(last_label_first(name.substr(0, name.size() - kV4.size()), '.', 1));
  } else if (ends_with(name, kV6)) {
    address = IpAddress::parse(last_label_first(name.substr(0, name.size() - kV6.size()), ':', 4));
  }
  // Only the full form is the reverse name of an address: "1.arpa" or merged nibbles are not.
  if (!address || address->reverse_name() != name) return std::nullopt;
  return address;
}

}  // namespace sluice::backends
