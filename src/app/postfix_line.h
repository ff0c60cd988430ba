// PostfixLine: one line of a Postfix mail log, taken apart. Values come from strangers: nothing in
// a line is trusted to be well-formed, and no function here reads outside of it.
#pragma once
#include <optional>
#include <string_view>

#include "base/ip_address.h"
#include "mail/session_view.h"

namespace sluice::app {

// "mx postfix/submission/smtpd[1234]: 4Xy12z3AbC: client=...", the date already taken off.
struct PostfixLine {
  std::string_view host, service, process, pid;  // "mx", "postfix/submission", "smtpd", "1234"
  std::string_view queue_id;                     // "NOQUEUE" included; empty: none
  std::string_view text;                         // what follows
};
std::optional<PostfixLine> parse_postfix_line(std::string_view line);

// "mail.example.net[203.0.113.9]:4711" or "unknown[2001:db8::1]"; nullopt: no address in brackets.
std::optional<mail::Connection> parse_postfix_client(std::string_view text);

// The value behind `name`, as far as one of `ends` or the end of the text; nullopt: no such name.
std::optional<std::string_view> postfix_field(std::string_view text, std::string_view name,
                                              std::initializer_list<std::string_view> ends);

// "RCPT from host[ip]: 550 5.1.1 <bob>: User unknown; from=<a> to=<b> proto=ESMTP helo=<c>",
// without "reject: ".
struct PostfixRejection {
  std::string_view stage;   // "RCPT"
  std::string_view client;  // "host[ip]"
  std::string_view reply;   // "550 5.1.1 <bob>: User unknown"
  std::optional<std::string_view> sender, recipient, helo;
};
std::optional<PostfixRejection> parse_postfix_rejection(std::string_view text);

// "Anonymous TLS connection established from host[ip]: TLSv1.3 with cipher X (256/256 bits)"
std::optional<mail::Tls> parse_postfix_tls(std::string_view text);

}  // namespace sluice::app
