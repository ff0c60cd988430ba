#include "app/replay_mail_file.h"

#include <algorithm>

#include "app/test_message.h"
#include "base/text.h"
#include "facts/message_content.h"
#include "mail/address.h"

namespace sluice::app {
namespace {

using mail::Header;

constexpr std::size_t kMaxTraceLine = 4'096;
constexpr std::size_t kMaxDate = 100;

// RFC 5322 3.3; before 1970 is no time of a message.
std::optional<TimePoint> date_of(std::string_view text) {
  const auto at = facts::parse_mail_date(text.substr(0, kMaxDate));
  return at && *at >= TimePoint{} ? at : std::nullopt;
}

// What stands between the angle brackets, or the word as it is.
std::string bare_address(std::string_view text) {
  const std::size_t open = text.rfind('<');
  if (open != std::string_view::npos) {
    const std::size_t close = text.find('>', open);
    text = text.substr(open + 1, close == std::string_view::npos ? close : close - open - 1);
  }
  return std::string(trim(text)).substr(0, kMaxReplayText);
}

const Header* find_header(const std::vector<Header>& headers, std::string_view name) {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [&](const Header& one) { return equal_folded(one.name, name); });
  return found != headers.end() ? &*found : nullptr;
}

// "from helo.example (name.example [203.0.113.9]) (using TLSv1.3 ...) (Authenticated sender: ann)
// by mx ... ; date"
void read_received(std::string_view value, ReplayEvent& event) {
  const std::string plain = plain_value(value.substr(0, kMaxTraceLine));
  std::string_view text = plain;
  if (const std::size_t semicolon = text.rfind(';'); semicolon != std::string_view::npos) {
    if (const auto at = date_of(text.substr(semicolon + 1))) event.at = *at;
    text = text.substr(0, semicolon);
  }
  if (text.substr(0, 5) != "from ") return;
  text.remove_prefix(5);
  event.helo = std::string(text.substr(0, std::min(text.find(' '), text.size())));
  const std::size_t open = text.find(" ("), bracket = text.find('['), close = text.find(']');
  if (open == std::string_view::npos || bracket == std::string_view::npos ||
      close == std::string_view::npos || close < bracket || bracket < open)
    return;
  std::string_view address = text.substr(bracket + 1, close - bracket - 1);
  if (address.substr(0, 5) == "IPv6:") address.remove_prefix(5);
  event.connection.client_ip = IpAddress::parse(address);
  const std::string name(trim(text.substr(open + 2, bracket - open - 2)));
  const bool has_name = !name.empty() && name != "unknown";
  event.connection.client_name = has_name ? name : "unknown";
  event.connection.resolve = has_name ? mail::ClientResolve::Ok : mail::ClientResolve::NoName;
  if (has_name) event.connection.client_ptr = name;
  mail::Tls tls;
  tls.active = text.find("(using TLS") != std::string_view::npos ||
               text.find("with ESMTPS") != std::string_view::npos;
  if (const std::size_t using_tls = text.find("(using TLS"); using_tls != std::string_view::npos) {
    const std::string_view version = text.substr(using_tls + 7);
    tls.version = std::string(version.substr(0, version.find(' ')));
  }
  event.tls = tls;
  constexpr std::string_view kLogin = "(Authenticated sender: ";
  if (const std::size_t at = text.find(kLogin); at != std::string_view::npos) {
    const std::string_view user = text.substr(at + kLogin.size());
    event.login = mail::Login{std::string(user.substr(0, user.find(')'))), {}};
  }
}

void give_envelope(const std::vector<Header>& trace, const std::vector<Header>& all,
                   ReplayEvent& event) {
  if (const Header* path = find_header(trace, "Return-Path")) {
    event.sender = bare_address(plain_value(path->value));
  } else if (const Header* from = find_header(all, "From")) {
    event.sender = bare_address(plain_value(from->value));
  }
  for (const char* name : {"X-Original-To", "Envelope-To", "Delivered-To", "To"}) {
    const Header* to = find_header(name == std::string_view("To") ? all : trace, name);
    if (to == nullptr) continue;
    const std::string list = plain_value(to->value);
    for (const std::string_view one : split(list, ',')) {
      if (event.recipients.size() < kMaxReplayRecipients && one.find('@') != std::string_view::npos)
        event.recipients.push_back({bare_address(one), {}, false});
    }
    if (!event.recipients.empty()) return;
  }
}

}  // namespace

bool event_of_message(std::string_view text, TimePoint at, ReplayEvent& event) {
  event = ReplayEvent();
  event.at = at;
  SentMessage message = parse_message(text.substr(0, kMaxMailFile));
  if (message.headers.empty() || message.headers.front().name.find(' ') != std::string::npos)
    return false;
  auto& headers = message.headers;
  event.size = static_cast<std::int64_t>(text.size());
  if (const Header* date = find_header(headers, "Date")) {
    if (const auto written = date_of(plain_value(date->value))) event.at = *written;
  }
  // The fields in front of the own MTA's Received, and that one, were not there when the policy was
  // asked.
  const auto received = std::find_if(headers.begin(), headers.end(), [](const Header& one) {
    return equal_folded(one.name, "Received");
  });
  std::vector<Header> trace;
  if (received != headers.end()) {
    trace.assign(headers.begin(), received);
    read_received(received->value, event);
    headers.erase(headers.begin(), received + 1);
  } else {
    trace = headers;
    std::erase_if(headers, [](const Header& one) {
      return equal_folded(one.name, "Return-Path") || equal_folded(one.name, "Delivered-To");
    });
  }
  give_envelope(trace, headers, event);
  if (const Header* id = find_header(headers, "Message-ID"))
    event.message_id = plain_value(id->value).substr(0, kMaxReplayText);
  event.has_content = true;
  event.headers = std::move(headers);
  event.body = std::move(message.body);
  return true;
}

}  // namespace sluice::app
