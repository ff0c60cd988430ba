#include "milter/wire_requests.h"

#include "milter/frame.h"

namespace sluice::milter::wire {
namespace {

// The text up to its NUL, taken off the front; nullopt without one.
std::optional<std::string_view> take_text(std::string_view& rest) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

std::optional<IpAddress> parse_address(char family, std::string_view text) {
  constexpr std::string_view kPrefix = "IPv6:";
  if (family == '6' && text.substr(0, kPrefix.size()) == kPrefix) text.remove_prefix(kPrefix.size());
  const bool is_v6_text = text.find(':') != std::string_view::npos;
  if (is_v6_text != (family == '6')) return std::nullopt;
  return IpAddress::parse(text);
}

}  // namespace

std::optional<Offer> parse_offer(std::string_view body) {
  if (body.size() < 12) return std::nullopt;
  return Offer{read_u32(body), read_u32(body.substr(4)), read_u32(body.substr(8))};
}

std::optional<Client> parse_client(std::string_view body) {
  Client client;
  const auto name = take_text(body);
  if (!name || body.empty()) return std::nullopt;
  client.name = *name;
  const char family = body.front();
  body.remove_prefix(1);
  if (family == 'U') return body.empty() ? std::optional(client) : std::nullopt;
  if ((family != '4' && family != '6' && family != 'L') || body.size() < 2) return std::nullopt;
  client.port = static_cast<std::uint16_t>(static_cast<unsigned char>(body[0]) << 8 |
                                           static_cast<unsigned char>(body[1]));
  body.remove_prefix(2);
  const auto address = parse_text(body);
  if (!address) return std::nullopt;
  if (family == 'L') {
    client.port = 0;
    return client;
  }
  client.address = parse_address(family, *address);
  return client.address ? std::optional(client) : std::nullopt;
}

std::optional<std::string_view> parse_text(std::string_view body) {
  const auto text = take_text(body);
  return text && body.empty() ? text : std::nullopt;
}

std::optional<Arguments> parse_arguments(std::string_view body) {
  Arguments arguments;
  const auto address = take_text(body);
  if (!address) return std::nullopt;
  arguments.address = *address;
  while (!body.empty()) {
    const auto parameter = take_text(body);
    if (!parameter) return std::nullopt;
    if (arguments.parameters.size() < kMaxParameters) arguments.parameters.push_back(*parameter);
  }
  return arguments;
}

std::optional<HeaderField> parse_header(std::string_view body) {
  const auto name = take_text(body);
  if (!name || name->empty()) return std::nullopt;
  const auto value = parse_text(body);
  return value ? std::optional(HeaderField{*name, *value}) : std::nullopt;
}

}  // namespace sluice::milter::wire
