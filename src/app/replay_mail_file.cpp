#include "app/replay_mail_file.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "app/test_message.h"
#include "base/text.h"
#include "mail/address.h"

namespace sluice::app {
namespace {

using mail::Header;

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kMaxTraceLine = 4'096;

int number_of(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string lower(std::string_view text) { return fold(text); }

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
    if (const auto at = parse_mail_date(text.substr(semicolon + 1))) event.at = *at;
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

std::optional<TimePoint> parse_mail_date(std::string_view text) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(text.substr(0, 100), ' ')) {
    if (!word.empty() && words.size() < 8) words.push_back(word);
  }
  if (!words.empty() && words.front().back() == ',') words.erase(words.begin());
  if (words.size() < 4) return std::nullopt;
  const int day = number_of(words[0]), year = number_of(words[2]);
  int month = 0;
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (lower(words[1]) == lower(kMonths[i])) month = static_cast<int>(i) + 1;
  if (day < 1 || month == 0 || year < 1970) return std::nullopt;
  const auto two = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  std::string zone = words.size() > 4 ? std::string(words[4]) : "Z";
  const bool is_offset = zone.size() == 5 && (zone[0] == '+' || zone[0] == '-');
  zone = is_offset ? zone.substr(0, 3) + ":" + zone.substr(3) : std::string("Z");
  return parse_datetime(std::to_string(year) + "-" + two(month) + "-" + two(day) + "T" +
                        std::string(words[3]) + zone);
}

bool event_of_message(std::string_view text, TimePoint at, ReplayEvent& event) {
  event = ReplayEvent();
  event.at = at;
  SentMessage message = parse_message(text.substr(0, kMaxMailFile));
  if (message.headers.empty() || message.headers.front().name.find(' ') != std::string::npos)
    return false;
  auto& headers = message.headers;
  event.size = static_cast<std::int64_t>(text.size());
  if (const Header* date = find_header(headers, "Date")) {
    if (const auto written = parse_mail_date(plain_value(date->value))) event.at = *written;
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
