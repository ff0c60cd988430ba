// requests.h - what an MTA sends: each function appends one frame to `out`.
//
// Strings are written as given and closed with a NUL, also when they hold a NUL themselves: a
// hostile peer is made of the same functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "milter_peer/protocol.h"

namespace sluice::peer {

// Where the SMTP client comes from. Family: '4', '6', 'L' (unix socket) or 'U' (unknown: the frame
// has neither port nor address, as from `sendmail -bs`).
struct ClientAddress {
  std::string name = "client.example";
  char family = '4';
  std::uint16_t port = 40000;
  std::string address = "192.0.2.7";
};

using Macros = std::vector<std::pair<std::string, std::string>>;  // "i" or "{auth_type}", value

struct Offer {
  std::uint32_t version = kProtocolVersion;
  std::uint32_t actions = kAllActions;
  std::uint32_t steps = kAllSteps;
};

void append_negotiate(std::string& out, const Offer& offer);
void append_macros(std::string& out, Command command, const Macros& macros);
void append_connect(std::string& out, const ClientAddress& client);
// MAIL and RCPT: the address with its brackets, then the ESMTP parameters; HELO and unknown
// commands: one text; header: name and value.
void append_texts(std::string& out, Command command, const std::vector<std::string_view>& texts);
void append_body(std::string& out, std::string_view chunk);
void append_bare(std::string& out,
                 Command command);  // data, end of headers, end of body, abort, quit

}  // namespace sluice::peer
