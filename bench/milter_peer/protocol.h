// protocol.h - the numbers of the milter protocol, version 6, as an MTA sees them.
//
// A frame is a 32-bit big-endian length, one command byte and length-1 bytes of body. The MTA asks
// (Command), the filter answers (AnswerCode); what the filter does not want to see (declined) or
// will not answer (silent) is agreed at negotiation. Everything here is a constant; thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::peer {

inline constexpr std::uint32_t kProtocolVersion = 6;
// A body chunk an MTA sends is never longer (without the MDS extension, which Postfix and Sendmail
// do not offer).
inline constexpr std::size_t kMaxChunkBytes = 65535;

enum class Command : char {
  Abort = 'A',
  Body = 'B',
  Connect = 'C',
  Macro = 'D',
  EndOfBody = 'E',
  Helo = 'H',
  QuitForNewConnection = 'K',
  Header = 'L',
  Mail = 'M',
  EndOfHeaders = 'N',
  Negotiate = 'O',
  Quit = 'Q',
  Rcpt = 'R',
  Data = 'T',
  Unknown = 'U',
};

enum class AnswerCode : char {
  AddRcptWithParameters = '2',
  Shutdown = '4',
  AddRcpt = '+',
  DeleteRcpt = '-',
  Accept = 'a',
  ReplaceBody = 'b',
  Continue = 'c',
  Discard = 'd',
  ChangeFrom = 'e',
  ConnectionFailure = 'f',
  AddHeader = 'h',
  InsertHeader = 'i',
  ChangeHeader = 'm',
  Progress = 'p',
  Quarantine = 'q',
  Reject = 'r',
  Skip = 's',
  Tempfail = 't',
  ReplyCode = 'y',
};

// Protocol steps a filter may decline ("no") or leave unanswered ("silent").
inline constexpr std::uint32_t kNoConnect = 0x1, kNoHelo = 0x2, kNoMail = 0x4, kNoRcpt = 0x8,
                               kNoBody = 0x10, kNoHeaders = 0x20, kNoEndOfHeaders = 0x40,
                               kSilentHeader = 0x80, kNoUnknown = 0x100, kNoData = 0x200,
                               kSkip = 0x400, kRejectedRcpts = 0x800, kSilentConnect = 0x1000,
                               kSilentHelo = 0x2000, kSilentMail = 0x4000, kSilentRcpt = 0x8000,
                               kSilentData = 0x10000, kSilentUnknown = 0x20000,
                               kSilentEndOfHeaders = 0x40000, kSilentBody = 0x80000,
                               kHeaderLeadingSpace = 0x100000;
// What Postfix 3.7 and Sendmail 8.17 offer.
inline constexpr std::uint32_t kAllSteps = 0x1fffff;
inline constexpr std::uint32_t kAllActions = 0x1ff;

// Everything an MTA reports, in the order of a session.
enum class Event {
  Connect,
  Helo,
  Mail,
  Rcpt,
  Data,
  Header,
  EndOfHeaders,
  Body,
  EndOfBody,
  Unknown,
};
inline constexpr std::size_t kEvents = 10;

struct EventRule {
  Event event;
  Command command;
  std::string_view name;   // as reports and test messages call it
  std::uint32_t declined;  // set by the filter: the event is not sent
  std::uint32_t silent;    // set by the filter: the event is not answered
  int macro_stage;         // index of its macro list in the negotiation, -1: has none
};

inline constexpr std::array<EventRule, kEvents> kEventRules = {{
    {Event::Connect, Command::Connect, "connect", kNoConnect, kSilentConnect, 0},
    {Event::Helo, Command::Helo, "helo", kNoHelo, kSilentHelo, 1},
    {Event::Mail, Command::Mail, "mail", kNoMail, kSilentMail, 2},
    {Event::Rcpt, Command::Rcpt, "rcpt", kNoRcpt, kSilentRcpt, 3},
    {Event::Data, Command::Data, "data", kNoData, kSilentData, 4},
    {Event::Header, Command::Header, "header", kNoHeaders, kSilentHeader, -1},
    {Event::EndOfHeaders, Command::EndOfHeaders, "eoh", kNoEndOfHeaders, kSilentEndOfHeaders, 6},
    {Event::Body, Command::Body, "body", kNoBody, kSilentBody, -1},
    {Event::EndOfBody, Command::EndOfBody, "eom", 0, 0, 5},
    {Event::Unknown, Command::Unknown, "unknown", kNoUnknown, kSilentUnknown, -1},
}};
inline constexpr std::size_t kMacroStages = 7;

constexpr const EventRule& rule_of(Event event) {
  return kEventRules[static_cast<std::size_t>(event)];
}

}  // namespace sluice::peer
