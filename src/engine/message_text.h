// The message of a transaction in the forms that facts and scanners want.
#pragma once
#include <memory>
#include <string_view>

#include "engine/session_facts.h"
#include "facts/fact.h"

namespace sluice::engine {

class FactTable;

// Header fields and body with CRLF line ends, a Received field of this hop on top, and what a
// scanner may know.
std::shared_ptr<const backends::ScanRequest> make_scan_request(const SessionFacts& known,
                                                               TimePoint now);
// The parsed message: at stage headers without its body.
std::shared_ptr<const facts::MessageContent> make_content(const SessionFacts& known,
                                                          mail::Stage stage);
// The first field of that name, decoded and unfolded; none when there is none.
policy::Value first_header(FactTable& facts, std::string_view name);

}  // namespace sluice::engine
