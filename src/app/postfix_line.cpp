#include "app/postfix_line.h"

#include <algorithm>
#include <charconv>

namespace sluice::app {
namespace {

constexpr auto kNone = std::string_view::npos;
constexpr std::size_t kShortestQueueId = 5, kLongestQueueId = 32;

bool starts(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_queue_id(std::string_view text) {
  return text.size() >= kShortestQueueId && text.size() <= kLongestQueueId &&
         std::all_of(text.begin(), text.end(), is_alphanumeric);
}

int number_of(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::optional<PostfixLine> parse_postfix_line(std::string_view line) {
  PostfixLine parts;
  const std::size_t blank = line.find(' ');
  if (blank == kNone) return std::nullopt;
  parts.host = line.substr(0, blank);
  line.remove_prefix(blank + 1);
  const std::size_t bracket = line.find('[');
  const std::size_t end = line.find("]: ");
  if (bracket == kNone || end == kNone || bracket > end) return std::nullopt;
  const std::string_view tag = line.substr(0, bracket);
  const std::size_t slash = tag.rfind('/');
  if (slash == kNone || tag.find(' ') != kNone) return std::nullopt;
  parts.service = tag.substr(0, slash);
  parts.process = tag.substr(slash + 1);
  parts.pid = line.substr(bracket + 1, end - bracket - 1);
  parts.text = line.substr(end + 3);
  const std::size_t colon = parts.text.substr(0, kLongestQueueId + 2).find(": ");
  if (colon != kNone && is_queue_id(parts.text.substr(0, colon))) {
    parts.queue_id = parts.text.substr(0, colon);
    parts.text.remove_prefix(colon + 2);
  }
  return parts;
}

std::optional<mail::Connection> parse_postfix_client(std::string_view text) {
  const std::size_t open = text.find('['), close = text.find(']');
  if (open == kNone || close == kNone || close < open) return std::nullopt;
  mail::Connection connection;
  connection.client_ip = IpAddress::parse(text.substr(open + 1, close - open - 1));
  if (!connection.client_ip) return std::nullopt;
  connection.client_name = std::string(text.substr(0, open));
  // "unknown" is a client without a confirmed name: the log does not tell why.
  const bool has_name = !connection.client_name.empty() && connection.client_name != "unknown";
  connection.resolve = has_name ? mail::ClientResolve::Ok : mail::ClientResolve::NoName;
  if (has_name) connection.client_ptr = connection.client_name;
  if (starts(text.substr(close + 1), ":"))
    connection.client_port = static_cast<std::uint16_t>(number_of(text.substr(close + 2)));
  return connection;
}

std::optional<std::string_view> postfix_field(std::string_view text, std::string_view name,
                                              std::initializer_list<std::string_view> ends) {
  const std::size_t at = text.find(name);
  if (at == kNone) return std::nullopt;
  text.remove_prefix(at + name.size());
  std::size_t stop = text.size();
  for (const std::string_view end : ends) stop = std::min(stop, text.find(end));
  return text.substr(0, stop);
}

std::optional<PostfixRejection> parse_postfix_rejection(std::string_view text) {
  PostfixRejection rejection;
  const std::size_t from = text.find(" from ");
  if (from == kNone) return std::nullopt;
  rejection.stage = text.substr(0, from);
  text.remove_prefix(from + 6);
  const std::size_t colon = text.find("]: ");
  const std::size_t with_port = text.find("]:");
  if (with_port == kNone) return std::nullopt;
  const std::size_t end = colon != kNone ? colon + 1 : text.find(": ", with_port + 2);
  if (end == kNone) return std::nullopt;
  rejection.client = text.substr(0, end);
  text.remove_prefix(std::min(end + 2, text.size()));
  const std::size_t fields = std::min(text.find("; from=<"), text.find("; proto="));
  rejection.reply = text.substr(0, fields);
  if (fields == kNone) return rejection;
  text.remove_prefix(fields);
  rejection.sender =
      postfix_field(text, "; from=<", {"> to=<", ">, to=<", "> proto=", ">, proto="});
  rejection.recipient = postfix_field(text, " to=<", {"> proto=", ">, proto="});
  rejection.helo = postfix_field(text, " helo=<", {">"});
  return rejection;
}

std::optional<mail::Tls> parse_postfix_tls(std::string_view text) {
  const std::size_t at = text.find(" TLS connection established from ");
  if (at == kNone) return std::nullopt;
  const std::size_t version = text.find("]: ", at);
  if (version == kNone) return std::nullopt;
  mail::Tls tls;
  tls.active = true;
  tls.verified = starts(text, "Trusted") || starts(text, "Verified");
  const std::string_view rest = text.substr(version + 3);
  tls.version = std::string(rest.substr(0, std::min(rest.find(' '), std::size_t{16})));
  if (const auto bits = postfix_field(rest, "(", {"/"})) tls.cipher_bits = number_of(*bits);
  return tls;
}

}  // namespace sluice::app
