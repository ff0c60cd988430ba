// The numbers of the milter protocol, versions 2 to 6, as the wire engine needs them. There is no
// RFC; the names are those of Sendmail's libmilter (mfdef.h). Constants only. The peer of the tests
// (bench/milter_peer/protocol.h) has its own: a wrong number must not be one that both agree on.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sluice::milter::wire {

inline constexpr std::uint32_t kOldestVersion = 2;
inline constexpr std::uint32_t kVersion = 6;

// What an MTA sends.
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

// What a filter sends.
enum class AnswerCode : char {
  AddRecipient = '+',
  RemoveRecipient = '-',
  ReplaceBody = 'b',
  Continue = 'c',
  Discard = 'd',
  ChangeSender = 'e',
  AddHeader = 'h',
  InsertHeader = 'i',
  ChangeHeader = 'm',
  Progress = 'p',
  Quarantine = 'q',
  Reject = 'r',
  Tempfail = 't',
  ReplyCode = 'y',
};

// Actions (SMFIF_*): what a filter may do to a message.
namespace action {
inline constexpr std::uint32_t kAddHeaders = 0x1, kChangeBody = 0x2, kAddRecipients = 0x4,
                               kRemoveRecipients = 0x8, kChangeHeaders = 0x10, kQuarantine = 0x20,
                               kChangeSender = 0x40, kSetMacroLists = 0x100;
}

// Steps (SMFIP_*): what the MTA need not send, and what the filter will not answer.
namespace step {
inline constexpr std::uint32_t kNoBody = 0x10, kNoHeaders = 0x20, kNoEndOfHeaders = 0x40,
                               kNoUnknown = 0x100, kNoData = 0x200;
inline constexpr std::uint32_t kSilentHeader = 0x80, kSilentConnect = 0x1000, kSilentHelo = 0x2000,
                               kSilentMail = 0x4000, kSilentRcpt = 0x8000, kSilentData = 0x10000,
                               kSilentUnknown = 0x20000, kSilentEndOfHeaders = 0x40000,
                               kSilentBody = 0x80000;
inline constexpr std::uint32_t kRejectedRcpts = 0x800, kHeaderLeadingSpace = 0x100000;
inline constexpr std::uint32_t kChunks256K = 0x10000000, kChunks1M = 0x20000000;
}  // namespace step

// The stages for which an MTA keeps macros, numbered as in the negotiation.
enum class MacroStage : std::uint8_t { Connect, Helo, Mail, Rcpt, Data, EndOfMessage, EndOfHeaders };
inline constexpr std::size_t kMacroStages = 7;

// Longest frame, its command byte included: a body chunk of 65,535, or what was agreed. Longer ones
// end the connection before anything is allocated for them.
inline constexpr std::size_t kMaxFrame = 64 * 1024;
inline constexpr std::size_t kMaxFrame256K = 256 * 1024;
inline constexpr std::size_t kMaxFrame1M = 1024 * 1024;
// Longest that is sent: no MTA takes more.
inline constexpr std::size_t kMaxSentBody = 65'535;

}  // namespace sluice::milter::wire
