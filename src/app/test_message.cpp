#include "app/test_message.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/text.h"
#include "mail/address.h"

namespace sluice::app {

using mail::Edit;
using mail::Header;

namespace {

std::string with_crlf(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out.push_back('\r');
    out.push_back(text[i]);
  }
  return out;
}

// An MTA hands a value on without the blank behind the colon.
Header header_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {std::string(line), {}};
  std::string_view value = line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return {std::string(trim(line.substr(0, colon))), std::string(value)};
}

std::vector<Header> usual_headers(std::string_view sender, std::string_view recipient,
                                  TimePoint now) {
  const std::string from(mail::strip_brackets(sender));
  return {{"From", from.empty() ? "MAILER-DAEMON@client.example" : from},
          {"To", std::string(mail::strip_brackets(recipient))},
          {"Date", render_datetime(now)},
          {"Message-ID", "<" + std::to_string(now.time_since_epoch().count()) + "@client.example>"},
          {"Subject", "A message"}};
}

using Place = std::vector<Header>::iterator;

// The index-th field of a name, from 1; end() when there is none.
Place nth(std::vector<Header>& headers, const std::string& name, int index) {
  return std::find_if(headers.begin(), headers.end(), [&](const Header& header) {
    return equal_folded(header.name, name) && --index <= 0;
  });
}

void set_header(std::vector<Header>& headers, const Edit& edit) {
  const Place place = nth(headers, edit.name, std::max(edit.index, 1));
  if (place == headers.end()) {
    headers.push_back({edit.name, edit.value});
  } else {
    place->value = edit.value;
  }
}

void remove_header(std::vector<Header>& headers, const Edit& edit) {
  if (edit.index == 0) {
    std::erase_if(headers,
                  [&](const Header& header) { return equal_folded(header.name, edit.name); });
  } else if (const Place place = nth(headers, edit.name, edit.index); place != headers.end()) {
    headers.erase(place);
  }
}

}  // namespace

SentMessage parse_message(std::string_view text) {
  SentMessage message;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    std::string_view line = text.substr(begin, end - begin);
    begin = std::min(end + 1, text.size());
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) break;
    const bool folded = line.front() == ' ' || line.front() == '\t';
    if (folded && !message.headers.empty()) {
      message.headers.back().value += "\n" + std::string(line);
    } else {
      message.headers.push_back(header_of(line));
    }
  }
  message.body = with_crlf(text.substr(begin));
  return message;
}

Result<SentMessage> message_of(const TestMessage& written, const std::string& folder,
                               std::string_view sender, std::string_view recipient, TimePoint now) {
  SentMessage message;
  if (written.file) {
    const std::string path = written.file->front() == '/' ? *written.file : folder + *written.file;
    std::ifstream in(path, std::ios::binary);
    if (!in) return config_error("cannot read the message " + path);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (text.size() > kMaxTestMessageBytes)
      return config_error("the message " + path + " is too large");
    message = parse_message(text);
  } else {
    message.headers = usual_headers(sender, recipient, now);
    message.body = "This is a message.\r\n";
  }
  if (written.headers) {
    message.headers.clear();
    for (const std::string& line : *written.headers) message.headers.push_back(header_of(line));
  }
  if (written.body) message.body = with_crlf(*written.body);
  return message;
}

std::vector<Header> delivered_headers(std::vector<Header> headers, const std::vector<Edit>& edits) {
  for (const Edit& edit : edits) {
    switch (edit.kind) {
      case Edit::Kind::AddHeader:
        headers.push_back({edit.name, edit.value});
        break;
      case Edit::Kind::InsertHeader: {
        const auto index =
            std::min(static_cast<std::size_t>(std::max(edit.index, 0)), headers.size());
        headers.insert(headers.begin() + static_cast<std::ptrdiff_t>(index),
                       {edit.name, edit.value});
        break;
      }
      case Edit::Kind::SetHeader:
        set_header(headers, edit);
        break;
      case Edit::Kind::RemoveHeader:
        remove_header(headers, edit);
        break;
      default:
        break;  // recipients, sender, body: no header
    }
  }
  return headers;
}

std::string plain_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c != '\r' && c != '\n') out.push_back(c);
  }
  return std::string(trim(out));
}

}  // namespace sluice::app
