// Reply: what the SMTP client will read, as lines that both MTAs hand on unchanged (RFC 5321 4.2, RFC 2034).
// The only builder of reply bytes: class of code and enhanced status agree, US-ASCII (UTF-8 only for SMTPUTF8 clients),
// no controls, at most kMaxReplyLines lines of at most kMaxReplyText octets of text, wrapped at word ends.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mail/reply_code.h"

namespace sluice::mail {

inline constexpr std::size_t kMaxReplyLines = 10;
inline constexpr std::size_t kMaxReplyText = 400;  // octets a line, without code and status

class Reply {
 public:
  Reply() = default;  // empty: no reply
  // Fails (Cause::Config) when the code is no 4yz/5yz of the catalogue or the classes differ. `text` may hold anything:
  // it is cleaned, cut and wrapped. `help` becomes a last line of its own when not empty.
  static Result<Reply> make(int code, EnhancedStatus status, std::string_view text, std::string_view help = {},
                            bool smtputf8 = false);

  bool empty() const { return code_ == 0; }
  int code() const { return code_; }
  const EnhancedStatus& status() const { return status_; }
  // Text of each line, without code and status.
  const std::vector<std::string>& lines() const { return lines_; }
  std::string text() const;  // lines joined by a blank
  bool is_temporary() const { return code_ / 100 == 4; }

  // As RFC 5321 4.2.1 writes it: "550-5.7.1 a", "550 5.7.1 b"; without CRLF.
  std::vector<std::string> wire_lines() const;

  bool operator==(const Reply&) const = default;

 private:
  int code_ = 0;
  EnhancedStatus status_;
  std::vector<std::string> lines_;
};

// CR, LF, NUL and other controls become '?'; bytes outside ASCII too, unless utf8 and well-formed.
std::string clean_reply_text(std::string_view text, bool utf8);

}  // namespace sluice::mail
