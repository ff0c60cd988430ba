// rooms: backends
// Replies of mail servers that are asked: in one piece and octet by octet they are the same, and
// what they are read as stays within the caps.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/callout_reading.h"
#include "require.h"

using namespace sluice::backends;
using sluice::fuzz::require;

namespace {

struct Read {
  std::vector<SmtpReply> replies;
  bool is_malformed = false;
};

Read read(std::string_view stream, std::size_t piece_size) {
  Read all;
  SmtpReplyParser parser;
  while (!stream.empty() && !all.is_malformed) {
    std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    while (!piece.empty() && !all.is_malformed) {
      SmtpReply reply;
      const auto found = parser.take(piece, reply);
      if (found == SmtpReplyParser::Found::Reply) all.replies.push_back(reply);
      all.is_malformed = found == SmtpReplyParser::Found::Malformed;
      if (found == SmtpReplyParser::Found::Nothing)
        require(piece.empty(), "who wants more has taken all");
    }
  }
  return all;
}

void check(const SmtpReply& reply) {
  require(reply.code >= 200 && reply.code <= 599, "a code is one of SMTP");
  require(reply.text.size() <= kMaxReplyBytesKept, "what is kept has a cap");
  require(!reply.status || reply.status->status_class == reply.code / 100, "status and code agree");
  const std::string summary = reply.summary();
  require(std::none_of(summary.begin(), summary.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20; }),
          "a summary has no controls");
  for (const SmtpPhase phase : {SmtpPhase::Greeting, SmtpPhase::Mail, SmtpPhase::Rcpt}) {
    const SmtpOutcome outcome{phase, SmtpEnd::Replied, reply};
    const CalloutStatus status = read_callout(outcome).status;
    // Never a no before the recipient was named, and never a yes but of 2yz.
    require(status != CalloutStatus::Refused || (phase == SmtpPhase::Rcpt && reply.is_permanent()),
            "only a refused recipient is a no");
    require(status != CalloutStatus::Accepted || reply.is_success(), "only 2yz is a yes");
    require(!describe_callout(outcome).empty(), "there are words for it");
  }
  reply.has_keyword("SMTPUTF8");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(bytes), size);
  const Read whole = read(stream, stream.size() + 1);
  const Read pieces = read(stream, 1);
  require(whole.is_malformed == pieces.is_malformed, "pieces: the same end");
  require(whole.replies.size() == pieces.replies.size(), "pieces: as many replies");
  for (std::size_t i = 0; i < whole.replies.size(); ++i) {
    check(whole.replies[i]);
    require(whole.replies[i].code == pieces.replies[i].code, "pieces: the same code");
    require(whole.replies[i].text == pieces.replies[i].text, "pieces: the same text");
  }
  return 0;
}
