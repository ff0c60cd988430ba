#include <charconv>

#include "backends/stream.h"

namespace sluice::backends {
namespace {

bool skip(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::optional<IpAddress> parse_host(std::string_view host) {
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 1 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return IpAddress::parse(host);
}

// "[::1]:783" splits behind the bracket; a bare IPv6 address has no port.
std::size_t port_colon(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return colon;
  if (text.front() == '[') return text[colon - 1] == ']' ? colon : std::string_view::npos;
  return text.find(':') == colon ? colon : std::string_view::npos;
}

}  // namespace

std::string Endpoint::to_string() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const std::string host = address.to_string();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  const std::string whole(text);
  Endpoint endpoint;
  if (skip(text, "unix:")) {
    if (text.empty() || text.size() > kMaxUnixPath)
      return config_error("`" + whole + "`: a path of 1 to 107 bytes is expected behind unix:");
    endpoint.unix_path = text;
    return endpoint;
  }
  skip(text, "inet:");
  const std::size_t colon = text.empty() ? std::string_view::npos : port_colon(text);
  const auto host = parse_host(text.substr(0, colon));
  const auto port = colon == std::string_view::npos
                        ? (default_port != 0 ? std::optional(default_port) : std::nullopt)
                        : parse_port(text.substr(colon + 1));
  if (!host || !port)
    return config_error("`" + whole + "` is no address; write 127.0.0.1:783, [::1]:783 or unix:PATH");
  endpoint.address = *host;
  endpoint.port = *port;
  return endpoint;
}

}  // namespace sluice::backends
