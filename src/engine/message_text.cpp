#include "engine/message_text.h"

#include "base/text.h"
#include "engine/fact_table.h"
#include "facts/message_content.h"

namespace sluice::engine {

namespace {

// Line ends as SMTP has them, whatever came: CR LF stays, bare LF and bare CR become CR LF.
void append_crlf(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') {
      if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      out += "\r\n";
    } else {
      out.push_back(text[i]);
    }
  }
}

std::string received_field(const SessionFacts& known, TimePoint now) {
  const std::string ip =
      known.connection.client_ip ? known.connection.client_ip->to_string() : "127.0.0.1";
  std::string field = "Received: from " + known.helo.value_or("unknown") + " (" +
                      known.connection.client_name + " [" + ip + "])\r\n";
  field += "\tby " + known.connection.server_name + " (Sluice) with SMTP";
  if (known.envelope && !known.envelope->queue_id.empty())
    field += " id " + known.envelope->queue_id;
  return field + ";\r\n\t" + render_datetime(now) + "\r\n";
}

}  // namespace

std::shared_ptr<const backends::ScanRequest> make_scan_request(const SessionFacts& known,
                                                               TimePoint now) {
  auto request = std::make_shared<backends::ScanRequest>();
  request->message = received_field(known, now);
  for (const mail::Header& header : known.message->headers) {
    request->message += header.name + ":";
    if (header.value.empty() || (header.value.front() != ' ' && header.value.front() != '\t'))
      request->message += ' ';
    append_crlf(request->message, header.value);
    request->message += "\r\n";
  }
  request->message += "\r\n";
  append_crlf(request->message, known.message->body);
  if (known.connection.client_ip) request->client_ip = known.connection.client_ip->to_string();
  request->client_name = known.connection.client_name;
  request->helo = known.helo.value_or("");
  request->mta_name = known.connection.server_name;
  if (known.envelope) {
    request->sender = known.envelope->sender_path;
    request->queue_id = known.envelope->queue_id;
    if (known.envelope->login) request->login = known.envelope->login->user;
  }
  for (const mail::Recipient& recipient : known.accepted)
    request->recipients.push_back(recipient.path);
  return request;
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
