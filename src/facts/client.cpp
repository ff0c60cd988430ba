// Facts about the connecting host (LANGUAGE 12, stage connect): address, names, network, country,
// counts.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "facts/dns_questions.h"
#include "facts/geo_database.h"
#include "facts/make_fact.h"
#include "facts/public_suffix.h"

namespace sluice::facts {

using mail::ClientResolve;
using policy::Kind;
using policy::Value;

namespace {

// A client without an address is mail handed in on a pipe of this host (sendmail -bs).
IpAddress client_address(FactContext& c) {
  static const IpAddress loopback = IpAddress::from_v4(0x7f000001);
  return c.connection().client_ip.value_or(loopback);
}

Outcome client_ptr(FactContext& c) {
  const auto& connection = c.connection();
  if (connection.client_ptr && *connection.client_ptr != "unknown")
    return Value(fold(*connection.client_ptr));
  if (connection.resolve == ClientResolve::NoName) return Value();
  if (connection.resolve == ClientResolve::TempFail)
    return Value(policy::Unknown{policy::UnknownReason::Timeout});
  return reverse_name(c, client_address(c));
}

Outcome client_rdns(FactContext& c) {
  const auto& connection = c.connection();
  switch (connection.resolve) {
    case ClientResolve::Ok:
      return text_or_none(fold(connection.client_name));
    case ClientResolve::NoName:
    case ClientResolve::Forged:
      return Value();
    case ClientResolve::TempFail:
      return Value(policy::Unknown{policy::UnknownReason::Timeout});
    case ClientResolve::Unknown:
      break;
  }
  return confirmed_reverse_name(c, client_address(c));
}

// Parent domain of the confirmed name, never above the public suffix: hosts of one provider share
// it. A name that is itself registrable (example.com as a host) stays whole.
std::string pool_of(std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::string(name);
  const std::string_view parent = name.substr(dot + 1);
  return std::string(is_public_suffix(parent) ? name : parent);
}

Outcome client_pool(FactContext& c) {
  const Value* rdns = c.fact("client.rdns");
  if (rdns == nullptr) return std::nullopt;
  if (const auto* name = rdns->get_if<std::string>()) return Value(pool_of(*name));
  return Value(client_network(client_address(c)).to_string());
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// True when at least three of the four numbers of an IPv4 address stand in the name as numbers of
// their own, in any order: 203-0-113-10, 10.113.0.203, dsl203x0x113x10.
bool holds_address_numbers(std::string_view name, const IpAddress& address) {
  if (!address.is_v4()) return false;
  std::array<bool, 4> found{};
  for (std::size_t i = 0; i < name.size();) {
    if (!is_digit(name[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < name.size() && is_digit(name[end])) ++end;
    int number = end - i <= 3 ? std::stoi(std::string(name.substr(i, end - i))) : -1;
    for (std::size_t k = 0; k < 4; ++k) {
      if (!found[k] && number == address.bytes()[12 + k]) {
        found[k] = true;
        break;
      }
    }
    i = end;
  }
  return std::count(found.begin(), found.end(), true) >= 3;
}

// Words that access providers put into the names of dial-up pools, as a label or part of one
// between hyphens/digits.
bool has_dialup_word(std::string_view name) {
  static constexpr std::array kWords = {
      "dyn",    "dynamic", "dhcp",  "dsl",       "adsl",  "vdsl",  "xdsl",  "dial", "dialup",
      "dialin", "ppp",     "pppoe", "pool",      "pools", "cable", "catv",  "ip",   "home",
      "hsd",    "fttx",    "gprs",  "broadband", "cust",  "user",  "modem", "wlan"};
  std::string word;
  const auto is_known = [&word] {
    return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
  };
  for (const char ch : name) {
    if (std::isalpha(static_cast<unsigned char>(ch)) != 0) {
      word += ch;
    } else {
      if (is_known()) return true;
      word.clear();
    }
  }
  return is_known();
}

// A number in the name is needed: "pool" or "home" alone may be anybody's mail server.
bool looks_dynamic(std::string_view name, const IpAddress& address) {
  if (holds_address_numbers(name, address)) return true;
  return std::any_of(name.begin(), name.end(), is_digit) && has_dialup_word(name);
}

Outcome client_dynamic(FactContext& c) {
  const Value* ptr = c.fact("client.ptr");
  if (ptr == nullptr) return std::nullopt;
  if (ptr->is_unknown()) return *ptr;
  const auto* name = ptr->get_if<std::string>();
  return Value(name != nullptr && looks_dynamic(*name, client_address(c)));
}

Outcome client_first_seen(FactContext& c) {
  const auto* first = c.first_seen(client_address(c));
  if (first == nullptr) return std::nullopt;
  if (!*first) return Value();
  return Value(std::max(Duration{0}, c.now() - **first));
}

Outcome client_country(FactContext& c) {
  return Value(c.settings().country ? c.settings().country->country(client_address(c))
                                    : std::nullopt);
}

Outcome client_asn(FactContext& c) {
  return Value(c.settings().asn ? c.settings().asn->asn(client_address(c)) : std::nullopt);
}

Outcome server_name(FactContext& c) {
  const auto& name = c.connection().server_name;
  return Value(name.empty() ? c.settings().server_name : name);
}

}  // namespace

std::vector<Fact> client_facts() {
  return make_facts(
      mail::Stage::Connect, mail::Scope::Connection,
      {
          {"client.ip", plain(Kind::Ip),
           "Address of the connecting host; 127.0.0.1 for mail handed in on a pipe.",
           [](FactContext& c) -> Outcome { return Value(client_address(c)); }},
          {"client.net", plain(Kind::Cidr),
           "Its network: /24 of an IPv4 address, /64 of an IPv6 one.",
           [](FactContext& c) -> Outcome { return Value(client_network(client_address(c))); }},
          {"client.port", plain(Kind::Int), "Its TCP port, 0 when the MTA does not tell.",
           [](FactContext& c) -> Outcome { return Value(int{c.connection().client_port}); }},
          {"client.name", optional(Kind::Text), "The host's name as the MTA gives it.",
           [](FactContext& c) -> Outcome { return text_or_none(c.connection().client_name); }},
          {"client.ptr", optional(Kind::Text), "Reverse name, not verified.", client_ptr,
           "1 DNS look-up if the MTA made none"},
          {"client.rdns", optional(Kind::Text), "Reverse name that points back to the address.",
           client_rdns, "up to 21 DNS look-ups if the MTA made none"},
          {"client.pool", plain(Kind::Text),
           "Parent domain of the confirmed reverse name (never above the public suffix), else the "
           "network.",
           client_pool, "as client.rdns"},
          {"client.dynamic", plain(Kind::Bool),
           "The reverse name looks like one of a dial-up pool; false without a name.",
           client_dynamic, "as client.ptr"},
          {"client.country", optional(Kind::Text), "ISO code of the country, from the GeoIP file.",
           client_country},
          {"client.asn", optional(Kind::Int),
           "Number of the autonomous system, from the GeoIP file.", client_asn},
          {"client.connections", plain(Kind::Int),
           "Connections of this client that are open now, as the MTA counts.",
           [](FactContext& c) -> Outcome {
             return Value(c.connection().client_connections.value_or(1));
           }},
          {"client.first_seen", optional(Kind::Duration),
           "How long ago a message of this client was first accepted; none: never.",
           client_first_seen, "the state store"},
          {"server.name", plain(Kind::Text), "Name of the MTA.", server_name},
          {"server.ip", optional(Kind::Ip), "Address the client connected to.",
           [](FactContext& c) -> Outcome { return Value(c.connection().server_ip); }},
          {"server.port", optional(Kind::Int), "Port the client connected to.",
           [](FactContext& c) -> Outcome {
             const auto& port = c.connection().server_port;
             return port ? Value(int{*port}) : Value();
           }},
          {"score", plain(Kind::Float),
           "Points that score rules gave so far in this connection, message and recipient.",
           [](FactContext& c) -> Outcome { return Value(c.score()); }},
      });
}

}  // namespace sluice::facts
