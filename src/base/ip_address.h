// IpAddress and Network: IPv4 and IPv6 addresses and prefixes as plain values.
// IPv4-mapped IPv6 (::ffff:a.b.c.d) is IPv4 from the moment it is parsed.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

class IpAddress {
 public:
  // 16 bytes in network order; IPv4 is kept as ::ffff:a.b.c.d.
  using Bytes = std::array<std::uint8_t, 16>;

  IpAddress() = default;  // ::
  static IpAddress from_bytes(const Bytes& bytes) { return IpAddress(bytes); }
  static IpAddress from_v4(std::uint32_t host_order);
  // Dotted quad or RFC 4291 2.2 text, nothing around it (no brackets, no zone, no prefix).
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const;
  const Bytes& bytes() const { return bytes_; }
  // RFC 5952 form, or dotted quad.
  std::string to_string() const;
  // Loopback, RFC 1918, RFC 6598, link-local, ULA, documentation, benchmarks, multicast, reserved, unspecified: never a
  // public host. 6to4 and NAT64 addresses are what the IPv4 address inside them is.
  bool is_special() const;
  // The name under in-addr.arpa or ip6.arpa, without the final dot.
  std::string reverse_name() const;
  // Labels as DNS lists want them, "9.113.0.203" or nibbles, without a zone.
  std::string reversed_labels() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  explicit IpAddress(const Bytes& bytes) : bytes_(bytes) {}
  Bytes bytes_{};
};

// A prefix. Host bits are cleared when it is made.
class Network {
 public:
  Network() = default;
  // length: 0..32 for IPv4, 0..128 for IPv6; larger is cut.
  Network(const IpAddress& address, int length);
  // "192.0.2.0/24", "2001:db8::/32", or a single address. "::ffff:192.0.2.0/120" is 192.0.2.0/24; shorter than /96 such
  // a text is refused. The length has no sign and no leading zero.
  static std::optional<Network> parse(std::string_view text);

  bool is_v4() const;
  // Never across families: ::/0 is all of IPv6 and no IPv4.
  bool contains(const IpAddress& address) const;
  bool contains(const Network& other) const;
  const IpAddress& address() const { return address_; }
  int length() const;         // as written: 24 for 192.0.2.0/24
  int mapped_length() const { return length_; }  // within 128 bits
  std::string to_string() const;  // always with "/length"

  auto operator<=>(const Network&) const = default;

 private:
  IpAddress address_;
  int length_ = 0;  // within 128 bits
};

// /24 of an IPv4 address, /64 of an IPv6 one: the unit in which clients are counted and greylisted. Behind the well-known
// NAT64 prefix (64:ff9b::/96, RFC 6052) all of IPv4 would be one /64, so there it is the /120 around the IPv4 address's
// /24. A 6to4 address (2002::/16) has its IPv4 address in the first 48 bits: its /64 is one site already.
Network client_network(const IpAddress& address);

}  // namespace sluice
