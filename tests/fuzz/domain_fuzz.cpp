// rooms: mail
// Domain names, address literals, IP addresses and networks.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/text.h"
#include "mail/domain.h"
#include "naive_mailbox.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::mail;
using fuzz::require;

void check_domain(const std::string& text) {
  const auto domain = to_ascii_domain(text);
  const bool dotted = !text.empty() && text.back() == '.';
  if (is_ascii(text)) {
    const auto name = std::string_view(text).substr(0, text.size() - (dotted ? 1 : 0));
    require(domain.has_value() == fuzz::naive_ascii_domain(name), "both parsers agree");
  }
  require(!is_valid_helo(text) || domain || to_address_literal(text),
          "a HELO name is a domain or a literal");
  if (!domain) return;
  require(fuzz::naive_ascii_domain(*domain), "a key is a domain name of ASCII");
  require(to_ascii_domain(*domain) == domain, "the key of a key is the key");
  require(fold(*domain) == *domain, "a key has small letters");
  require(is_valid_helo(*domain), "a domain name may be said at HELO");
  require(is_under(*domain, *domain) && is_under("a." + *domain, *domain),
          "a name is under itself");
  require(!is_under("a" + *domain, *domain), "a longer label is another label");
}

void check_literal(const std::string& text) {
  const auto literal = to_address_literal(text);
  require(literal.has_value() == fuzz::naive_literal(text), "both parsers agree about literals");
  if (literal)
    require(to_address_literal(*literal) == literal, "the form of a literal is its own form");
}

void check_address(const std::string& text) {
  const auto address = IpAddress::parse(text);
  require(address.has_value() == (fuzz::naive_v4(text, fuzz::kPlainNotation) ||
                                  (text.find(':') != std::string::npos &&
                                   fuzz::naive_v6(text, fuzz::kPlainNotation))),
          "both parsers agree about addresses");
  if (address)
    require(IpAddress::parse(address->to_string()) == address, "an address prints as itself");
  const auto network = Network::parse(text);
  if (!network) return;
  require(Network::parse(network->to_string()) == network, "a network prints as itself");
  require(network->contains(network->address()) && network->contains(*network),
          "a network has its own address");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  check_domain(text);
  check_literal(text);
  check_address(text);
  return 0;
}
