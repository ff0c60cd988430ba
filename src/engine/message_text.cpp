#include "engine/message_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/fact_table.h"
#include "facts/message_content.h"

namespace sluice::engine {

namespace {

// "Wed, 25 Nov 2026 16:22:27 +0000" (RFC 5322 3.3).
std::string field_date(TimePoint t) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto midnight = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day day(midnight);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(t - midnight));
  return fmt::format(
      "{}, {} {} {} {:02}:{:02}:{:02} +0000", kDays[std::chrono::weekday(midnight).c_encoding()],
      static_cast<unsigned>(day.day()), kMonths[(static_cast<unsigned>(day.month()) - 1) % 12],
      static_cast<int>(day.year()), time.hours().count(), time.minutes().count(),
      time.seconds().count());
}

// What the client said, where a field must stay whole: no controls, no line breaks.
std::string field_word(std::string_view text) {
  std::string word(text.substr(0, 255));
  for (char& c : word) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) c = '?';
  }
  return word.empty() ? "unknown" : word;
}

// RFC 3848. Whether the client said EHLO no MTA tells; nearly all do.
std::string with_protocol(const SessionFacts& known) {
  std::string protocol = "ESMTP";
  if (known.tls) protocol += 'S';
  if (known.envelope && known.envelope->login) protocol += 'A';
  return protocol;
}

}  // namespace

std::string CrlfText::next(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  if (is_after_cr_ && !text.empty()) {
    if (text.front() == '\n') text.remove_prefix(1);
    out += "\r\n";
    is_after_cr_ = false;
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    const bool has_lf = end < text.size();
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
      is_after_cr_ = !has_lf;
    }
    for (std::size_t cr = line.find('\r'); cr != line.npos; cr = line.find('\r')) {
      out.append(line.substr(0, cr)).append("\r\n");
      line.remove_prefix(cr + 1);
    }
    out.append(line);
    if (has_lf) out += "\r\n";
    text.remove_prefix(end + (has_lf ? 1 : 0));
  }
  return out;
}

std::string CrlfText::end() {
  const bool is_open = std::exchange(is_after_cr_, false);
  return is_open ? "\r\n" : "";
}

std::string received_field(const SessionFacts& known, TimePoint now) {
  const mail::Connection& client = known.connection;
  const std::string ip = client.client_ip ? client.client_ip->to_string() : "127.0.0.1";
  const bool has_name = client.resolve == mail::ClientResolve::Ok;
  std::string field = "Received: from " + field_word(known.helo.value_or("")) + " (" +
                      (has_name ? field_word(client.client_name) : "unknown") + " [" +
                      (client.client_ip && !client.client_ip->is_v4() ? "IPv6:" : "") + ip +
                      "])\r\n\tby " + field_word(client.server_name) + " (Sluice) with " +
                      with_protocol(known);
  if (known.envelope && !known.envelope->queue_id.empty())
    field += " id " + field_word(known.envelope->queue_id);
  // No `for <recipient>`, which Postfix writes: rspamd takes it for a message that was delivered
  // before (PREVIOUSLY_DELIVERED).
  return field + "; " + field_date(now) + "\r\n";
}

std::string header_block(const mail::Message& message) {
  std::string block;
  for (const mail::Header& header : message.headers) {
    block += header.name + ":";
    if (header.value.empty() || (header.value.front() != ' ' && header.value.front() != '\t'))
      block += ' ';
    CrlfText value;
    block += value.next(header.value);
    block += value.end();
    block += "\r\n";
  }
  return block + "\r\n";
}

std::shared_ptr<const backends::ScanEnvelope> make_scan_envelope(const SessionFacts& known) {
  auto told = std::make_shared<backends::ScanEnvelope>();
  const mail::Connection& client = known.connection;
  if (client.client_ip) told->client_ip = client.client_ip->to_string();
  if (client.resolve == mail::ClientResolve::Ok) told->client_name = client.client_name;
  told->helo = known.helo.value_or("");
  told->mta_name = client.server_name;
  if (known.envelope) {
    told->sender = known.envelope->sender_path;
    told->queue_id = known.envelope->queue_id;
    if (known.envelope->login) told->login = known.envelope->login->user;
  }
  for (const mail::Recipient& recipient : known.accepted)
    told->recipients.push_back(recipient.path);
  return told;
}

std::shared_ptr<const facts::MessageContent> make_content(const SessionFacts& known,
                                                          mail::Stage stage) {
  return facts::MessageContent::parse(*known.message, stage == mail::Stage::End);
}

policy::Value first_header(FactTable& facts, std::string_view name) {
  const facts::MessageContent* content = facts.content();
  const std::string* value = content != nullptr ? content->header(name) : nullptr;
  return value != nullptr ? policy::Value(*value) : policy::Value();
}

}  // namespace sluice::engine
