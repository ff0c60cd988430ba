// The messages of policy tests: what the client sends at DATA, and what is delivered after the
// filter's changes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "app/test_suite.h"
#include "base/result.h"
#include "mail/session_view.h"
#include "mail/verdict.h"

namespace sluice::app {

inline constexpr std::size_t kMaxTestMessageBytes = 64u << 20;

struct SentMessage {
  std::vector<mail::Header> headers;
  std::string body;  // CRLF line ends
};

// A message of lines with CRLF or LF: header fields up to the first empty line, then the body.
SentMessage parse_message(std::string_view text);
// What a session says of its message; `folder` is that of the test's file. Without anything a usual
// message with From, To, Date, Message-ID, Subject and one line of body. Error: the file cannot be
// read.
Result<SentMessage> message_of(const TestMessage& written, const std::string& folder,
                               std::string_view sender, std::string_view recipient, TimePoint now);
// The header fields after the changes, in order.
std::vector<mail::Header> delivered_headers(std::vector<mail::Header> headers,
                                            const std::vector<mail::Edit>& edits);
// Unfolded and trimmed, as header= compares it.
std::string plain_value(std::string_view value);

}  // namespace sluice::app
