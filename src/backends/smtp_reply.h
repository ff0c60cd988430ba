// Replies of an SMTP server as a client reads them (RFC 5321 4.2, RFC 2034): one or more lines with
// one code. The server is a stranger: whatever it sends, the parser holds at most
// kMaxReplyBytesKept octets of it, and gives up on what is no reply.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/reply_code.h"

namespace sluice::backends {

// RFC 5321 4.5.3.1.5 allows 512 octets a line; real servers send more now and then.
inline constexpr std::size_t kMaxReplyLine = 2'000;
inline constexpr std::size_t kMaxReplyLines = 100;  // EHLO of the most talkative servers has 25
inline constexpr std::size_t kMaxReplyBytesKept = 8 * 1024;

struct SmtpReply {
  int code = 0;  // 200..599; 0: none
  // X.Y.Z at the start of the first line's text, or qmail's "(#5.1.1)"; of the code's own class.
  std::optional<mail::EnhancedStatus> status;
  // Text of the lines, without code, joined by '\n'; controls are '?'.
  std::string text;

  bool is_success() const { return code / 100 == 2; }
  bool is_temporary() const { return code / 100 == 4; }
  bool is_permanent() const { return code / 100 == 5; }
  // EHLO: a line begins with this word, in any case.
  bool has_keyword(std::string_view word) const;
  // "550 5.1.1 no such user", one line, at most 200 octets: for a person.
  std::string summary() const;
};

class SmtpReplyParser {
 public:
  enum class Found {
    Nothing,    // all of `bytes` is taken, the reply is not complete
    Reply,      // `bytes` begins behind it now
    Malformed,  // no SMTP, or beyond the caps: nothing more will come of it
  };
  // Takes from the front of `bytes`. `reply` is set with Found::Reply.
  Found take(std::string_view& bytes, SmtpReply& reply);

 private:
  bool take_line();
  void keep(std::string_view text);

  SmtpReply reply_;
  std::string line_;
  std::size_t lines_ = 0;
  bool is_last_ = false;
};

}  // namespace sluice::backends
