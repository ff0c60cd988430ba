// The message of a transaction in the forms that facts and scanners want.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "engine/session_facts.h"
#include "facts/fact.h"

namespace sluice::engine {

class FactTable;

// Line ends as SMTP has them, whatever came and however it was cut: CR LF stays, bare LF and bare
// CR become CR LF.
class CrlfText {
 public:
  std::string next(std::string_view text);
  std::string end();  // nothing more comes

 private:
  bool is_after_cr_ = false;  // held back: its LF may be in the next piece
};

// The Received field that this hop will put on top (RFC 5321 4.4), as far as a milter can know it.
std::string received_field(const SessionFacts& known, TimePoint now);
// All fields and the empty line, with CRLF line ends.
std::string header_block(const mail::Message& message);
// What a scanner may know of the session.
std::shared_ptr<const backends::ScanEnvelope> make_scan_envelope(const SessionFacts& known);
// The parsed message: at stage headers without its body.
std::shared_ptr<const facts::MessageContent> make_content(const SessionFacts& known,
                                                          mail::Stage stage);
// The first field of that name, decoded and unfolded; none when there is none.
policy::Value first_header(FactTable& facts, std::string_view name);

}  // namespace sluice::engine
