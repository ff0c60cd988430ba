#include "base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sluice {
namespace {

constexpr std::size_t kMaxAddressText =
    45;                          // "ffff:…:255.255.255.255", INET6_ADDRSTRLEN without its NUL
constexpr int kMappedBits = 96;  // of ::ffff:0:0/96
constexpr IpAddress::Bytes kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0};

void append_number(std::string& out, unsigned value, int base) {
  std::array<char, 12> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  out.append(digits.data(), end);
}

bool same_bits(const IpAddress::Bytes& a, const IpAddress::Bytes& b, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin()))
    return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<unsigned>(0xFF00 >> (bits % 8)) & 0xFFU;
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

IpAddress::Bytes clear_after(IpAddress::Bytes bytes, int bits) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int kept = std::clamp(bits - static_cast<int>(i) * 8, 0, 8);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xFF00U >> kept));
  }
  return bytes;
}

std::string v4_text(const IpAddress::Bytes& bytes, bool backwards) {
  std::string text;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) text += '.';
    append_number(text, bytes[backwards ? 15 - i : 12 + i], 10);
  }
  return text;
}

struct Run {
  std::size_t start = 0;
  std::size_t length = 0;
};

// The groups that RFC 5952 4.2 writes as "::": the first of the longest runs of two or more zeros.
Run longest_zero_run(const std::array<unsigned, 8>& groups) {
  Run best;
  for (std::size_t i = 0; i < groups.size();) {
    std::size_t end = i;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - i > best.length) best = {i, end - i};
    i = std::max(end, i + 1);
  }
  return best.length >= 2 ? best : Run{};
}

std::string v6_text(const IpAddress::Bytes& bytes) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = bytes[2 * i] * 256U + bytes[2 * i + 1];
  const Run zeros = longest_zero_run(groups);
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (zeros.length > 0 && i == zeros.start) {
      text += "::";
      i += zeros.length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    append_number(text, groups[i], 16);
  }
  return text;
}

// Prefixes of IANA's special-purpose registries that no public mail host has.
const std::array<Network, 24>& special_networks() {
  static const std::array<Network, 24> networks = [] {
    constexpr std::array<std::string_view, 24> texts{
        "0.0.0.0/8",       "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",    "169.254.0.0/16",
        "172.16.0.0/12",   "192.0.0.0/24",   "192.0.2.0/24",  "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",  // multicast, reserved and broadcast
        "::/96",           "64:ff9b:1::/48", "100::/64",      "2001:2::/48",    "2001:db8::/32",
        "3fff::/20",       "5f00::/16",      "fc00::/7",      "fe80::/10",      "fec0::/10",
        "ff00::/8"};
    std::array<Network, 24> made;
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = Network::parse(texts[i]).value();
    return made;
  }();
  return networks;
}

// The IPv4 address inside a 6to4 (RFC 3056) or well-known NAT64 (RFC 6052) address.
std::optional<IpAddress> embedded_v4(const IpAddress::Bytes& b) {
  const auto at = [&b](std::size_t i) {
    return IpAddress::from_v4(static_cast<std::uint32_t>(b[i]) << 24 |
                              static_cast<std::uint32_t>(b[i + 1]) << 16 |
                              static_cast<std::uint32_t>(b[i + 2]) << 8 | b[i + 3]);
  };
  if (b[0] == 0x20 && b[1] == 0x02) return at(2);
  static const Network nat64 = Network::parse("64:ff9b::/96").value();
  if (nat64.contains(IpAddress::from_bytes(b))) return at(12);
  return std::nullopt;
}

std::optional<int> parse_length(std::string_view text, int most) {
  int length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (length < 0 || length > most || text[0] == '-' || (text[0] == '0' && text.size() > 1))
    return std::nullopt;
  return length;
}

}  // namespace

IpAddress IpAddress::from_v4(std::uint32_t host_order) {
  Bytes bytes = kMappedPrefix;
  for (unsigned i = 0; i < 4; ++i)
    bytes[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return IpAddress(bytes);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxAddressText || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  const std::string terminated(text);
  in_addr v4{};
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) return from_v4(ntohl(v4.s_addr));
  Bytes bytes{};
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) != 1) return std::nullopt;
  return IpAddress(bytes);
}

bool IpAddress::is_v4() const { return same_bits(bytes_, kMappedPrefix, kMappedBits); }

std::string IpAddress::to_string() const {
  return is_v4() ? v4_text(bytes_, false) : v6_text(bytes_);
}

bool IpAddress::is_special() const {
  const auto& networks = special_networks();
  if (std::any_of(networks.begin(), networks.end(),
                  [this](const Network& n) { return n.contains(*this); }))
    return true;
  if (is_v4()) return false;
  const auto inner = embedded_v4(bytes_);
  return inner && inner->is_special();
}

std::string IpAddress::reversed_labels() const {
  if (is_v4()) return v4_text(bytes_, true);
  std::string labels;
  for (std::size_t i = 16; i-- > 0;) {
    append_number(labels, bytes_[i] & 0xFU, 16);
    labels += '.';
    append_number(labels, bytes_[i] >> 4, 16);
    if (i > 0) labels += '.';
  }
  return labels;
}

std::string IpAddress::reverse_name() const {
  return reversed_labels() + (is_v4() ? ".in-addr.arpa" : ".ip6.arpa");
}

Network::Network(const IpAddress& address, int length) {
  const bool v4 = address.is_v4();
  length_ = v4 ? kMappedBits + std::clamp(length, 0, 32) : std::clamp(length, 0, 128);
  address_ = IpAddress::from_bytes(clear_after(address.bytes(), length_));
}

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const bool written_as_v6 = text.substr(0, slash).find(':') != std::string_view::npos;
  const int most = written_as_v6 ? 128 : 32;
  const auto length =
      slash == std::string_view::npos ? most : parse_length(text.substr(slash + 1), most);
  if (!length) return std::nullopt;
  if (!written_as_v6 || !address->is_v4()) return Network(*address, *length);
  // ::ffff:0:0/95 would be half a network of IPv4 and half of something else.
  if (*length < kMappedBits) return std::nullopt;
  return Network(*address, *length - kMappedBits);
}

bool Network::is_v4() const { return length_ >= kMappedBits && address_.is_v4(); }

bool Network::contains(const IpAddress& address) const {
  // ::/0 is all of IPv6; what it covers of the mapped block is IPv4 and not meant.
  return address.is_v4() == is_v4() && same_bits(address.bytes(), address_.bytes(), length_);
}

bool Network::contains(const Network& other) const {
  return other.is_v4() == is_v4() && other.length_ >= length_ &&
         same_bits(other.address_.bytes(), address_.bytes(), length_);
}

int Network::length() const { return is_v4() ? length_ - kMappedBits : length_; }

std::string Network::to_string() const {
  return address_.to_string() + "/" + std::to_string(length());
}

Network client_network(const IpAddress& address) {
  if (address.is_v4()) return Network(address, 24);
  static const Network nat64 = Network::parse("64:ff9b::/96").value();
  return Network(address, nat64.contains(address) ? kMappedBits + 24 : 64);
}

}  // namespace sluice
